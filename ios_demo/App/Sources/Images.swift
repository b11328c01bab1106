import CoreGraphics
import EvitKit
import Foundation
import ImageIO

/// An encoded image, upright, 8 bits, in the colour space it was stored in, as Python reads it: nothing is converted but what is not
/// RGB. Only alpha is treated otherwise: blended with black, where Python drops it. Throws `Failure`.
func decodeImage(_ encoded: Data) throws -> RgbImage {
    guard let source = CGImageSourceCreateWithData(encoded as CFData, nil), let image = CGImageSourceCreateImageAtIndex(source, 0, nil)
    else { throw Failure(got: "an image that the system cannot decode", allowed: "PNG, JPEG, HEIC", advice: "choose another one") }
    let properties = CGImageSourceCopyPropertiesAtIndex(source, 0, nil) as? [CFString: Any]
    let orientation = properties?[kCGImagePropertyOrientation] as? Int ?? 1
    return try pixels(of: image).upright(exifOrientation: orientation)
}

private func pixels(of image: CGImage) throws -> RgbImage {
    let (height, width) = (image.height, image.width)
    let stored = image.colorSpace.flatMap { $0.model == .rgb ? $0 : nil }
    let space = stored ?? CGColorSpace(name: CGColorSpace.sRGB) ?? CGColorSpaceCreateDeviceRGB()
    guard
        let context = CGContext(
            data: nil, width: width, height: height, bitsPerComponent: 8, bytesPerRow: 0, space: space,
            bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)
    else { throw Failure(got: "no memory for \(width)x\(height) pixels", allowed: "some", advice: "choose a smaller image") }
    context.interpolationQuality = .none
    context.draw(image, in: CGRect(x: 0, y: 0, width: width, height: height))
    let bytes = UnsafeRawBufferPointer(start: context.data, count: height * context.bytesPerRow)
    return RgbImage(height: height, width: width, rowBytes: context.bytesPerRow, order: .rgba, bytes: bytes)
}
