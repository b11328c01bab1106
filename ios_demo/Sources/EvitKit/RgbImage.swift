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

    /// Turned and mirrored from how a camera stored it to how it is seen. `exifOrientation` is 1 to 8; others count as 1, upright.
    public func upright(exifOrientation: Int) -> RgbImage {
        guard (2...8).contains(exifOrientation) else { return self }
        let isTurned = exifOrientation >= 5
        let (newHeight, newWidth) = isTurned ? (width, height) : (height, width)
        var turned: [UInt8] = []
        turned.reserveCapacity(pixels.count)
        for row in 0..<newHeight {
            for column in 0..<newWidth {
                let (y, x) = stored(row, column, exifOrientation)
                let source = (y * width + x) * channelCount
                turned += pixels[source..<source + channelCount]
            }
        }
        return RgbImage(height: newHeight, width: newWidth, pixels: turned)
    }

    /// Where the pixel lies that is seen at (row, column).
    private func stored(_ row: Int, _ column: Int, _ exifOrientation: Int) -> (row: Int, column: Int) {
        switch exifOrientation {
        case 2: (row, width - 1 - column)
        case 3: (height - 1 - row, width - 1 - column)
        case 4: (height - 1 - row, column)
        case 5: (column, row)
        case 6: (height - 1 - column, row)
        case 7: (height - 1 - column, width - 1 - row)
        case 8: (column, width - 1 - row)
        default: (row, column)
        }
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
