/// Image -> network input, the same numbers as `calib.preprocess.Preprocess` in Python:
/// resize (cover or squash), centre crop, (v / 255 - mean) / std in Double, rounded once to Float.
public struct Preprocess: Sendable {
    private let input: InputEntry

    /// For every channel, the number that each of the 256 values becomes.
    private let tables: [[Float]]

    public init(_ input: InputEntry) {
        self.input = input
        tables = zip(input.mean, input.std).map { mean, std in
            (0..<256).map { Float((Double($0) / 255 - mean) / std) }
        }
    }

    /// The (1, 3, height, width) input of `image`, NCHW. Throws `Failure` for an image that would become too large.
    public func callAsFunction(_ image: RgbImage) throws -> [Float] { normalize(try pixels(of: image)) }

    /// `image` resized and cropped to the network's height and width. Throws `Failure` for one that would become too large.
    public func pixels(of image: RgbImage) throws -> RgbImage {
        let (height, width) = resizedSize(image.height, image.width)
        try demand(
            height * width <= largestResizedPixels,
            Failure(got: "an image of \(image.width)x\(image.height) pixels", allowed: "a less elongated one", advice: "crop the image"))
        return crop(resize(image, height: height, width: width, interpolation: input.interpolation))
    }

    /// (height, width) after resizing. Cover: the axis that must grow most gets the box's side, the other is rounded down.
    private func resizedSize(_ imageHeight: Int, _ imageWidth: Int) -> (Int, Int) {
        let (height, width) = (input.resize.size[0], input.resize.size[1])
        switch input.resize.mode {
        case .squash: return (height, width)
        case .cover where height * imageWidth >= width * imageHeight: return (height, height * imageWidth / imageHeight)
        case .cover: return (width * imageHeight / imageWidth, width)
        }
    }

    private func crop(_ image: RgbImage) -> RgbImage {
        let (height, width) = (input.height, input.width)
        let (top, left) = (offset(image.height, height), offset(image.width, width))
        var pixels: [UInt8] = []
        pixels.reserveCapacity(height * width * channelCount)
        for row in top..<top + height {
            let start = (row * image.width + left) * channelCount
            pixels += image.pixels[start..<start + width * channelCount]
        }
        return RgbImage(height: height, width: width, pixels: pixels)
    }

    private func normalize(_ image: RgbImage) -> [Float] {
        let area = image.height * image.width
        return [Float](unsafeUninitializedCapacity: channelCount * area) { tensor, count in
            for (channel, table) in tables.enumerated() {
                for pixel in 0..<area {
                    tensor[channel * area + pixel] = table[Int(image.pixels[pixel * channelCount + channel])]
                }
            }
            count = channelCount * area
        }
    }
}

/// Half of the margin, halves rounded to the even number as Python's round does.
private func offset(_ resized: Int, _ cropped: Int) -> Int {
    Int((Double(resized - cropped) / 2).rounded(.toNearestOrEven))
}

/// As in Python: a strip of 1 x 10,000 pixels that has to cover a square would need gigabytes.
private let largestResizedPixels = 1 << 27
