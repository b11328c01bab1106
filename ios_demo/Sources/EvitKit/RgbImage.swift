/// Colour channels of every image and every network input.
public let channelCount = 3

/// An upright 8-bit image: `pixels` is (height, width, 3), R, G, B, in sRGB as it was stored.
public struct RgbImage: Sendable, Equatable {
    public let height: Int
    public let width: Int
    public let pixels: [UInt8]

    public init(height: Int, width: Int, pixels: [UInt8]) {
        precondition(height > 0 && width > 0 && pixels.count == height * width * channelCount)
        self.height = height
        self.width = width
        self.pixels = pixels
    }

    /// The image in a buffer of four bytes a pixel, whose rows start `rowBytes` apart. `order` says which of the four are R, G
    /// and B; the fourth, alpha, is dropped, not blended, as in evit-mobile.
    public init(height: Int, width: Int, rowBytes: Int, order: ByteOrder, bytes: UnsafeRawBufferPointer) {
        precondition(rowBytes >= width * 4 && bytes.count >= (height - 1) * rowBytes + width * 4)
        let (red, green, blue) = order.positions
        let pixels = [UInt8](unsafeUninitializedCapacity: height * width * channelCount) { target, count in
            var next = 0
            for row in 0..<height {
                for source in stride(from: row * rowBytes, to: row * rowBytes + width * 4, by: 4) {
                    target[next] = bytes[source + red]
                    target[next + 1] = bytes[source + green]
                    target[next + 2] = bytes[source + blue]
                    next += channelCount
                }
            }
            count = next
        }
        self.init(height: height, width: width, pixels: pixels)
    }

    /// Where R, G and B lie in a pixel of four bytes.
    public enum ByteOrder: Sendable {
        case rgba
        case bgra

        var positions: (Int, Int, Int) {
            switch self {
            case .rgba: (0, 1, 2)
            case .bgra: (2, 1, 0)
            }
        }
    }
}
