import Foundation

/// Pillow's filters. When an image shrinks, a filter's support grows with the factor (antialiasing); nearest has no weights.
public enum Interpolation: String, Codable, CaseIterable, Sendable {
    case nearest
    case box
    case bilinear
    case hamming
    case bicubic
    case lanczos

    /// Radius in pixels of the coarser of the two images.
    fileprivate var support: Double {
        switch self {
        case .nearest: 0
        case .box: 0.5
        case .bilinear, .hamming: 1
        case .bicubic: 2
        case .lanczos: 3
        }
    }

    /// The weight of a pixel at `distance` from the centre, in pixels of the coarser of the two images.
    fileprivate func weight(_ distance: Double) -> Double {
        switch self {
        case .nearest: preconditionFailure("nearest has no weights")
        case .box: distance > -support && distance <= support ? 1 : 0
        case .bilinear: max(0, 1 - abs(distance))
        case .hamming: abs(distance) < support ? sinc(distance) * (hammingMean + hammingSwing * cos(.pi * distance)) : 0
        case .bicubic: cubic(abs(distance))
        case .lanczos: distance >= -support && distance < support ? sinc(distance) * sinc(distance / support) : 0
        }
    }
}

/// Keys' cubic convolution (1981), with a = -0.5.
private func cubic(_ x: Double) -> Double {
    if x < 1 { return ((keys + 2) * x - (keys + 3)) * x * x + 1 }
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * keys : 0
}

private func sinc(_ x: Double) -> Double { x == 0 ? 1 : sin(.pi * x) / (.pi * x) }

/// `image` resized exactly as Pillow 13 does it (src/libImaging/Resample.c): one pass along rows and one along columns, each
/// rounding to 8 bits, with weights in fixed point. Passes that keep the size are left out. Where the height shrinks by more than
/// twice what the width does, columns come first; Pillow up to 12 always began with rows.
public func resize(_ image: RgbImage, height: Int, width: Int, interpolation: Interpolation) -> RgbImage {
    if interpolation == .nearest { return nearest(image, height: height, width: width) }
    func alongRows(_ it: RgbImage) -> RgbImage {
        width == it.width ? it : resizeRows(it, Taps(source: it.width, size: width, interpolation))
    }
    func alongColumns(_ it: RgbImage) -> RgbImage {
        height == it.height ? it : resizeColumns(it, Taps(source: it.height, size: height, interpolation))
    }
    let columnsFirst = image.height - height > max(0, (image.width - width) * 2)
    return columnsFirst ? alongRows(alongColumns(image)) : alongColumns(alongRows(image))
}

/// The source pixels and weights of every output position along one axis: output i is the sum over k of
/// weights[i * window + k] * source[first[i] + k], k < count[i]. Weights are integers with `fractionBits` binary places.
private struct Taps {
    let size: Int
    let window: Int
    private(set) var first: [Int] = []
    private(set) var count: [Int] = []
    private(set) var weights: [Int32]

    init(source: Int, size: Int, _ interpolation: Interpolation) {
        let scale = Double(source) / Double(size)
        let stretch = max(scale, 1)
        let reach = interpolation.support * stretch
        self.size = size
        window = Int(reach.rounded(.up)) * 2 + 1
        weights = Array(repeating: 0, count: size * window)
        for position in 0..<size {
            let center = (Double(position) + 0.5) * scale
            let start = max(0, Int(center - reach + 0.5))
            let end = min(source, Int(center + reach + 0.5))
            let exact = (start..<end).map { interpolation.weight((Double($0) - center + 0.5) * (1 / stretch)) }
            let sum = exact.reduce(0, +)
            for (tap, weight) in exact.enumerated() {
                weights[position * window + tap] = fixedPoint(sum == 0 ? weight : weight / sum)
            }
            first.append(start)
            count.append(end - start)
        }
    }
}

private func fixedPoint(_ weight: Double) -> Int32 {
    Int32(weight * Double(1 << fractionBits) + (weight < 0 ? -0.5 : 0.5))
}

/// (height, width, 3) -> (height, taps.size, 3).
private func resizeRows(_ image: RgbImage, _ taps: Taps) -> RgbImage {
    filled(height: image.height, width: taps.size) { target in
        image.pixels.withUnsafeBufferPointer { source in
            for row in 0..<image.height {
                for column in 0..<taps.size {
                    let start = (row * image.width + taps.first[column]) * channelCount
                    accumulate(source, start, channelCount, taps, column, target, (row * taps.size + column) * channelCount)
                }
            }
        }
    }
}

/// (height, width, 3) -> (taps.size, width, 3).
private func resizeColumns(_ image: RgbImage, _ taps: Taps) -> RgbImage {
    let stride = image.width * channelCount
    return filled(height: taps.size, width: image.width) { target in
        image.pixels.withUnsafeBufferPointer { source in
            for row in 0..<taps.size {
                for column in 0..<image.width {
                    let start = taps.first[row] * stride + column * channelCount
                    accumulate(source, start, stride, taps, row, target, row * stride + column * channelCount)
                }
            }
        }
    }
}

/// The weighted sum of one output pixel's taps, `stride` bytes apart from `source` on, rounded and clipped to 8 bits.
private func accumulate(
    _ from: UnsafeBufferPointer<UInt8>, _ source: Int, _ stride: Int, _ taps: Taps, _ position: Int,
    _ to: UnsafeMutableBufferPointer<UInt8>, _ target: Int
) {
    let start = position * taps.window
    for channel in 0..<channelCount {
        var sum: Int32 = 1 << (fractionBits - 1)
        var index = source + channel
        for tap in start..<start + taps.count[position] {
            sum &+= Int32(from[index]) &* taps.weights[tap]
            index += stride
        }
        to[target + channel] = UInt8(clamping: sum >> fractionBits)
    }
}

/// Pillow's nearest neighbour (src/libImaging/Geometry.c at 11.0): positions are sums of steps, not products.
private func nearest(_ image: RgbImage, height: Int, width: Int) -> RgbImage {
    let rows = nearestPositions(source: image.height, size: height)
    let columns = nearestPositions(source: image.width, size: width)
    return filled(height: height, width: width) { target in
        var next = 0
        for row in rows {
            for column in columns {
                let source = (row * image.width + column) * channelCount
                for channel in 0..<channelCount { target[next + channel] = image.pixels[source + channel] }
                next += channelCount
            }
        }
    }
}

private func nearestPositions(source: Int, size: Int) -> [Int] {
    let step = Double(source) / Double(size)
    return sequence(first: step * 0.5) { $0 + step }.prefix(size).map { Int($0) }
}

/// An image whose pixels `fill` writes, all of them.
private func filled(height: Int, width: Int, _ fill: (UnsafeMutableBufferPointer<UInt8>) -> Void) -> RgbImage {
    let size = height * width * channelCount
    let pixels = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        fill(buffer)
        count = size
    }
    return RgbImage(height: height, width: width, pixels: pixels)
}

private let keys = -0.5

/// Hamming's window; Pillow has these two in single precision.
private let hammingMean = Double(Float(0.54))
private let hammingSwing = Double(Float(0.46))

/// 8 bits of pixel, 2 of headroom for overshooting weights, the rest of 32 for the fraction.
private let fractionBits = 32 - 8 - 2
