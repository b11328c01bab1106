import CZlib
import EvitKit
import Foundation

/// Decodes what golden bundles hold, PNGs of 8-bit RGB without interlacing, on machines without Apple's ImageIO. For tests only:
/// checksums are not looked at.
public func decodePng(_ encoded: Data) throws -> RgbImage {
    let bytes = [UInt8](encoded)
    guard bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) else { throw PngError(reason: "no PNG") }
    var (position, header, compressed) = (8, [UInt8](), [UInt8]())
    while position + 12 <= bytes.count {
        let length = bigEndian(bytes[position..<position + 4])
        let content = bytes[position + 8..<position + 8 + length]
        switch String(decoding: bytes[position + 4..<position + 8], as: UTF8.self) {
        case "IHDR": header = Array(content)
        case "IDAT": compressed += content
        default: break
        }
        position += 12 + length
    }
    guard header.count == 13, header.suffix(5) == [8, 2, 0, 0, 0] else { throw PngError(reason: "not 8-bit RGB") }
    let (width, height) = (bigEndian(header[0..<4]), bigEndian(header[4..<8]))
    let filtered = try inflated(compressed, count: height * (1 + width * channelCount))
    return RgbImage(height: height, width: width, pixels: try unfiltered(filtered, height: height, stride: width * channelCount))
}

public struct PngError: Error {
    let reason: String
}

private func bigEndian(_ bytes: ArraySlice<UInt8>) -> Int { bytes.reduce(0) { $0 << 8 | Int($1) } }

private func inflated(_ compressed: [UInt8], count: Int) throws -> [UInt8] {
    var (result, written) = ([UInt8](repeating: 0, count: count), uLong(count))
    guard uncompress(&result, &written, compressed, uLong(compressed.count)) == Z_OK, written == count else {
        throw PngError(reason: "damaged data")
    }
    return result
}

/// Undoes the filters of each row (PNG specification, section 9).
private func unfiltered(_ rows: [UInt8], height: Int, stride: Int) throws -> [UInt8] {
    var pixels = [UInt8](repeating: 0, count: height * stride)
    for row in 0..<height {
        let (source, target) = (row * (stride + 1) + 1, row * stride)
        let filter = rows[source - 1]
        for column in 0..<stride {
            let left = column < channelCount ? 0 : Int(pixels[target + column - channelCount])
            let up = row == 0 ? 0 : Int(pixels[target + column - stride])
            let corner = row == 0 || column < channelCount ? 0 : Int(pixels[target + column - stride - channelCount])
            let predicted =
                switch filter {
                case 0: 0
                case 1: left
                case 2: up
                case 3: (left + up) / 2
                case 4: paeth(left, up, corner)
                default: throw PngError(reason: "filter \(filter)")
                }
            pixels[target + column] = rows[source + column] &+ UInt8(predicted)
        }
    }
    return pixels
}

private func paeth(_ left: Int, _ up: Int, _ corner: Int) -> Int {
    let estimate = left + up - corner
    let (a, b, c) = (abs(estimate - left), abs(estimate - up), abs(estimate - corner))
    return a <= b && a <= c ? left : b <= c ? up : corner
}
