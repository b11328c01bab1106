#if canImport(CoreML)
    import CoreML
    import EvitKit
    import Foundation

    /// Core ML. A package is compiled on the device when it is opened; its bytes are then the ones that were validated.
    public struct CoreMLRuntime: Runtime {
        public let format = "coreml"
        public let name = "Core ML"

        public init() {}

        public var computeUnits: [String] { ComputeUnits.allCases.map(\.rawValue) }

        public func open(_ file: URL, _ artefact: ArtefactEntry, classes: Int, computeUnits: String) async throws -> any Engine {
            guard let units = ComputeUnits(rawValue: computeUnits), let output = artefact.logits(classes: classes) else {
                throw Failure(got: "\(computeUnits) for \(artefact.path)", allowed: self.computeUnits.joined(separator: ", "))
            }
            return try await CoreMLEngine(file, artefact, units.value, output: output.name)
        }
    }

    /// What Core ML may use; it decides itself, operation by operation, what of that it uses.
    enum ComputeUnits: String, CaseIterable {
        case all = "all"
        case cpu = "CPU"
        case cpuAndGpu = "CPU and GPU"
        case cpuAndNeuralEngine = "CPU and Neural Engine"

        var value: MLComputeUnits {
            switch self {
            case .all: .all
            case .cpu: .cpuOnly
            case .cpuAndGpu: .cpuAndGPU
            case .cpuAndNeuralEngine: .cpuAndNeuralEngine
            }
        }
    }

    /// One opened package. An actor: MLModel runs one prediction at a time.
    actor CoreMLEngine: Engine {
        private let model: MLModel
        private let artefact: ArtefactEntry
        private let output: String

        /// Compiles and opens a package. Throws `Failure`.
        init(_ file: URL, _ artefact: ArtefactEntry, _ units: MLComputeUnits, output: String) async throws {
            model = try await load(file, artefact, units)
            (self.artefact, self.output) = (artefact, output)
        }

        func run(_ input: NetworkInput) throws -> [Float] {
            do {
                let features = try MLDictionaryFeatureProvider(dictionary: [artefact.input.name: try feature(input)])
                guard let logits = try model.prediction(from: features).featureValue(for: output)?.multiArrayValue else {
                    throw Failure(got: "\(artefact.path) without an output \(output)", allowed: "what its manifest says")
                }
                return MLShapedArray<Float>(converting: logits).scalars
            } catch {
                throw translated(error, artefact)
            }
        }

        private func feature(_ input: NetworkInput) throws -> MLFeatureValue {
            switch input {
            case .tensor(let tensor):
                return MLFeatureValue(multiArray: MLMultiArray(MLShapedArray(scalars: tensor, shape: artefact.input.shape)))
            case .pixels(let image):
                return MLFeatureValue(pixelBuffer: try pixelBuffer(image))
            }
        }
    }

    /// A compiled and loaded package, nobody else's. Throws `Failure`.
    private func load(_ file: URL, _ artefact: ArtefactEntry, _ units: MLComputeUnits) async throws -> sending MLModel {
        let configuration = MLModelConfiguration()
        configuration.computeUnits = units
        do {
            let compiled = try await MLModel.compileModel(at: file)
            defer { try? FileManager.default.removeItem(at: compiled) }
            return try await MLModel.load(contentsOf: compiled, configuration: configuration)
        } catch {
            throw translated(error, artefact)
        }
    }

    /// Core ML's errors become a `Failure`.
    private func translated(_ error: any Error, _ artefact: ArtefactEntry) -> Failure {
        error as? Failure
            ?? Failure(
                got: "\(artefact.path), which Core ML does not run: \(error.localizedDescription)",
                allowed: "a package that this device's Core ML accepts",
                advice: "choose the CPU, or convert with an older --ios")
    }
#endif
