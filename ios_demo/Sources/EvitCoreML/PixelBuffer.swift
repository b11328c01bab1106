#if canImport(CoreVideo)
    import CoreVideo
    import EvitKit

    /// An image as Core ML takes it: 32 bits a pixel, B, G, R, and alpha, which is not looked at.
    func pixelBuffer(_ image: RgbImage) throws -> CVPixelBuffer {
        var made: CVPixelBuffer?
        CVPixelBufferCreate(kCFAllocatorDefault, image.width, image.height, kCVPixelFormatType_32BGRA, nil, &made)
        guard let buffer = made else {
            throw Failure(got: "no memory for \(image.width)x\(image.height) pixels", allowed: "some", advice: "close other apps")
        }
        CVPixelBufferLockBaseAddress(buffer, [])
        defer { CVPixelBufferUnlockBaseAddress(buffer, []) }
        guard let base = CVPixelBufferGetBaseAddress(buffer) else { preconditionFailure("a locked buffer has an address") }
        let rowBytes = CVPixelBufferGetBytesPerRow(buffer)
        for row in 0..<image.height {
            let target = base.advanced(by: row * rowBytes).assumingMemoryBound(to: UInt8.self)
            for column in 0..<image.width {
                let source = (row * image.width + column) * channelCount
                target[4 * column] = image.pixels[source + 2]
                target[4 * column + 1] = image.pixels[source + 1]
                target[4 * column + 2] = image.pixels[source]
                target[4 * column + 3] = .max
            }
        }
        return buffer
    }
#endif
