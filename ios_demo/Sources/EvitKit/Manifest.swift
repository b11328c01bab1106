/// What the app needs of `manifest.json`, schema 2 (docs/manifest.md). Other fields may join and are skipped.
public struct Manifest: Codable, Sendable {
    public let schema: Int
    public let model: ModelEntry
    public let input: InputEntry
    public let labels: [String]
    public let artefacts: [ArtefactEntry]
    public let golden: GoldenEntry?
}

public struct ModelEntry: Codable, Sendable {
    public let name: String
    public let task: String?
    public let numClasses: Int
}

/// Where the golden bundle lies, relative to the folder.
public struct GoldenEntry: Codable, Sendable {
    public let path: String
    public let sha256: String

    public init(path: String, sha256: String) {
        self.path = path
        self.sha256 = sha256
    }
}

/// How an image becomes the network's input. Sizes are (height, width) in pixels; mean and std are on the 0..1 scale.
public struct InputEntry: Codable, Sendable {
    public let shape: [Int]
    public let resize: ResizeEntry
    public let crop: CropEntry
    public let interpolation: Interpolation
    public var mean: [Double]
    public let std: [Double]
    public let color: String

    public var height: Int { crop.size[0] }
    public var width: Int { crop.size[1] }
}

public struct ResizeEntry: Codable, Sendable {
    public let mode: ResizeMode
    public let size: [Int]
}

public struct CropEntry: Codable, Sendable {
    public let mode: String
    public let size: [Int]
}

/// Cover keeps the aspect ratio: the smallest size that covers the box. Squash resizes to the box exactly.
public enum ResizeMode: String, Codable, CaseIterable, Sendable {
    case cover
    case squash
}

/// One written file or package. `validations` are what its judges said on the machine that converted it, at least one.
public struct ArtefactEntry: Codable, Sendable, Equatable {
    public let format: String
    public let precision: String
    public let path: String
    public let sha256: String
    public let inputs: [TensorEntry]
    public let outputs: [TensorEntry]
    public let validations: [ValidationEntry]

    /// The image; `check` makes sure that it is the only input.
    public var input: TensorEntry { inputs[0] }

    /// What keeps the file from being proven: a judge that failed it, else one that did not run it; nil where every judge passed it.
    public var objection: ValidationEntry? {
        validations.first { $0.verdict == .failed } ?? validations.first { $0.verdict != .passed }
    }

    /// The logits, or the probabilities that the file makes of them; a Core ML package with class output gives a label beside them.
    public func logits(classes: Int) -> TensorEntry? {
        outputs.first { $0.shape == [1, classes] && $0.dtype == float32 }
    }

    /// Whether the file gives probabilities in place of logits.
    public var givesProbabilities: Bool { outputs.contains { $0.name == probabilities } }
}

/// A tensor of an artefact.
public struct TensorEntry: Codable, Sendable, Equatable {
    public let name: String
    public let shape: [Int]
    public let dtype: String
    public let layout: String?

    /// Whether the file takes 8-bit RGB and normalises it itself: as an image in Core ML, as (1, height, width, 3) elsewhere.
    public var isImage: Bool { [image, uint8].contains(dtype) }
}

/// What one judge said of a file.
public struct ValidationEntry: Codable, Sendable, Equatable {
    public let verdict: Verdict
    public let reason: String
}

public enum Verdict: String, Codable, Sendable {
    case passed
    case failed
    case notRun = "not_run"

    var word: String { self == .notRun ? "not run" : rawValue }
}

let classification = "classification"
let float32 = "float32"
let image = "image"
let uint8 = "uint8"
let probabilities = "probabilities"
