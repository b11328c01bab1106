import Foundation

/// What a network takes: the preprocessed tensor (1, 3, height, width), NCHW, or, where its file normalises, the resized and
/// cropped 8-bit image.
public enum NetworkInput: Sendable {
    case tensor([Float])
    case pixels(RgbImage)
}

/// One opened artefact.
public protocol Engine: Sendable {
    /// Logits, or the artefact's probabilities (num_classes). Throws `Failure`.
    func run(_ input: NetworkInput) async throws -> [Float]
}

/// What opens artefacts of one `format`, as manifests call it.
public protocol Runtime: Sendable {
    var format: String { get }
    var name: String { get }

    /// Where this runtime can put work, in its own words; the first is used until another is chosen.
    var computeUnits: [String] { get }

    /// Opens a file whose bytes were checked; `classes` is how many logits it must give. Throws `Failure` when it does not run on
    /// `computeUnits`.
    func open(_ file: URL, _ artefact: ArtefactEntry, classes: Int, computeUnits: String) async throws -> any Engine
}
