/// The most probable classes, and what preprocessing and inference took in milliseconds.
public struct Classification: Sendable, Equatable {
    public let predictions: [Prediction]
    public let preprocessMs: Double
    public let inferenceMs: Double

    public init(predictions: [Prediction], preprocessMs: Double, inferenceMs: Double) {
        self.predictions = predictions
        self.preprocessMs = preprocessMs
        self.inferenceMs = inferenceMs
    }
}

/// An image classifier on an opened artefact.
public protocol Classifier: Sendable {
    var artefact: ArtefactEntry { get }
    var runtime: String { get }
    var computeUnits: String { get }

    /// What the user should know, such as an artefact that was not proven.
    var notices: [String] { get }

    /// Throws `Failure`.
    func classify(_ image: RgbImage) async throws -> Classification

    /// The network's input for an image. Throws `Failure`.
    func input(_ image: RgbImage) throws -> NetworkInput

    /// Logits, or the artefact's probabilities (num_classes), of a prepared image. Throws `Failure`.
    func logits(_ input: NetworkInput) async throws -> [Float]
}

/// Preprocessing, an engine, and names for its logits.
struct EngineClassifier: Classifier {
    let artefact: ArtefactEntry
    let runtime: String
    let computeUnits: String
    private let engine: any Engine
    private let manifest: Manifest
    private let preprocess: Preprocess

    init(_ engine: any Engine, _ choice: Choice, _ manifest: Manifest) {
        self.engine = engine
        self.manifest = manifest
        (artefact, runtime, computeUnits) = (choice.artefact, choice.runtime.name, choice.computeUnits)
        preprocess = Preprocess(manifest.input)
    }

    var notices: [String] {
        artefact.objection.map { ["\(artefact.path) is not proven: \($0.verdict.word), \($0.reason)."] } ?? []
    }

    func classify(_ image: RgbImage) async throws -> Classification {
        let start = Stopwatch()
        let input = try input(image)
        let preprocessMs = start.elapsedMs
        let ready = Stopwatch()
        let logits = try await logits(input)
        let inferenceMs = ready.elapsedMs
        let best = try predictions(logits, labels: manifest.labels, count: shown, areProbabilities: artefact.givesProbabilities)
        return Classification(predictions: best, preprocessMs: preprocessMs, inferenceMs: inferenceMs)
    }

    func input(_ image: RgbImage) throws -> NetworkInput {
        artefact.input.isImage ? .pixels(try preprocess.pixels(of: image)) : .tensor(try preprocess(image))
    }

    func logits(_ input: NetworkInput) async throws -> [Float] {
        let logits = try await engine.run(input)
        let (found, expected) = (logits.count, manifest.model.numClasses)
        try demand(found == expected, Failure(got: "\(found) logits of \(artefact.path)", allowed: "\(expected), as its manifest says"))
        return logits
    }
}

/// Time since it was made, by a clock that never goes back.
struct Stopwatch {
    private let start = ContinuousClock.now

    var elapsedMs: Double { (ContinuousClock.now - start) / .milliseconds(1) }
}

private let shown = 3
