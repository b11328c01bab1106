import Foundation

private let goldenSchema = 1

/// What the app needs of `golden/golden.json`, schema 1 (docs/golden.md).
public struct GoldenBundle: Decodable, Sendable {
    public let schema: Int
    public let model: String
    public let input: InputEntry
    public let images: [GoldenImage]
    public let artefacts: [String: GoldenArtefact]
}

/// One image, the input it must become, as a tensor and as 8-bit pixels (absent in older bundles), and the reference's logits
/// (num_classes). `label` is a class number.
public struct GoldenImage: Decodable, Sendable {
    public let image: String
    public let sha256: String
    public let label: Int?
    public let tensor: String
    public let tensorSha256: String
    public let pixels: String?
    public let pixelsSha256: String?
    public let reference: [Float]
}

/// Logits (probabilities, of an artefact that gives them) of an artefact's bytes on every image, (images, num_classes), and how far another runtime or CPU may be from them.
public struct GoldenArtefact: Decodable, Sendable {
    public let sha256: String
    public let logits: [[Float]]
    public let maxAbsError: Double
}

/// The golden vectors of a model folder: every file's SHA-256 is checked when it is read.
public struct Golden: Sendable {
    public let bundle: GoldenBundle
    private let files: ModelFiles
    private let folder: String

    /// Opens the bundle that `entry`, the manifest's `golden`, names. Throws `Failure`.
    public init(_ files: ModelFiles, _ entry: GoldenEntry) throws {
        let data = try files.readVerified(entry.path, sha256: entry.sha256)
        bundle = try decode(GoldenBundle.self, data, name: entry.path, schema: goldenSchema)
        self.files = files
        folder = entry.path.split(separator: "/").dropLast().map { $0 + "/" }.joined()
    }

    /// The encoded PNG of an image. Throws `Failure`.
    public func encoded(_ image: GoldenImage) throws -> Data {
        try files.readVerified(folder + image.image, sha256: image.sha256)
    }

    /// The (height, width, 3) pixels that an image must become, nil in an older bundle. Throws `Failure`.
    public func pixels(_ image: GoldenImage) throws -> [UInt8]? {
        guard let (name, sha256) = image.pixels.flatMap({ name in image.pixelsSha256.map { (name, $0) } }) else { return nil }
        return [UInt8](try files.readVerified(folder + name, sha256: sha256))
    }

    /// The (1, 3, height, width) input that an image must become, NCHW. Throws `Failure`.
    public func tensor(_ image: GoldenImage) throws -> [Float] {
        let bytes = try files.readVerified(folder + image.tensor, sha256: image.tensorSha256)
        let (found, expected) = (bytes.count, channelCount * bundle.input.height * bundle.input.width * bytesPerFloat)
        try demand(found == expected, Failure(got: "\(image.tensor) of \(found) bytes", allowed: "\(expected)"))
        return bytes.withUnsafeBytes { raw in
            (0..<found / bytesPerFloat).map { index in
                Float(bitPattern: UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: bytesPerFloat * index, as: UInt32.self)))
            }
        }
    }
}

private let bytesPerFloat = 4
