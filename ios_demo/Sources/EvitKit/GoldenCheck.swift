import Foundation

/// An artefact on this device against its golden vectors: `tensorError` is how far preprocessing is off, `logitError` how far the
/// logits, both the largest absolute difference; `top1` counts images of `images` with the same first class as the artefact gave in Python.
public struct GoldenCheck: Codable, Sendable, Equatable {
    public let images: Int
    public let top1: Int
    public let tensorError: Double
    public let logitError: Double
    public let logitLimit: Double

    public var passed: Bool { tensorError <= tensorLimit && logitError <= logitLimit }
}

/// Runs all golden images. `decode` turns an encoded PNG into an image. Throws `Failure`.
public func checkGolden(
    _ classifier: any Classifier, _ golden: Golden, decode: (Data) throws -> RgbImage
) async throws -> GoldenCheck {
    let (bundle, artefact) = (golden.bundle, classifier.artefact)
    guard let expected = bundle.artefacts[artefact.path], expected.sha256 == artefact.sha256 else {
        throw Failure(got: "golden vectors without \(artefact.path)", allowed: "those of this artefact's bytes")
    }
    let preprocess = Preprocess(bundle.input)
    var (top1, tensorError, logitError) = (0, 0.0, 0.0)
    for (item, proven) in zip(bundle.images, expected.logits) {
        let image = try decode(try golden.encoded(item))
        tensorError = larger(tensorError, maxAbsError(try preprocess(image), try golden.tensor(item)))
        let pixels = try preprocess.pixels(of: image).pixels
        try demand(
            try golden.pixels(item).map { $0 == pixels } ?? true,
            Failure(got: "other pixels than \(item.pixels ?? "")", allowed: "those that Python makes of \(item.image)"))
        let logits = try await classifier.logits(try classifier.input(image))
        try demandFinite(logits)
        logitError = larger(logitError, maxAbsError(logits, proven))
        if topK(logits, 1) == topK(proven, 1) { top1 += 1 }
    }
    return GoldenCheck(
        images: bundle.images.count, top1: top1, tensorError: tensorError, logitError: logitError, logitLimit: expected.maxAbsError)
}

/// In normalised units: far less than one step of an 8-bit pixel.
private let tensorLimit = 1e-5
