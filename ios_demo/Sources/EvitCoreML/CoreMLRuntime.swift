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
            let configuration = MLModelConfiguration()
            configuration.computeUnits = units.value
            return try await translating(artefact) {
                let compiled = try await MLModel.compileModel(at: file)
                defer { try? FileManager.default.removeItem(at: compiled) }
                let model = try await MLModel.load(contentsOf: compiled, configuration: configuration)
                return CoreMLEngine(model, artefact, output: output.name)
            }
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

        init(_ model: sending MLModel, _ artefact: ArtefactEntry, output: String) {
            (self.model, self.artefact, self.output) = (model, artefact, output)
        }

        func run(_ input: NetworkInput) throws -> [Float] {
            try translatingNow(artefact) {
                let features = try MLDictionaryFeatureProvider(dictionary: [artefact.input.name: try feature(input)])
                guard let logits = try model.prediction(from: features).featureValue(for: output)?.multiArrayValue else {
                    throw Failure(got: "\(artefact.path) without an output \(output)", allowed: "what its manifest says")
                }
                return logits.withUnsafeBufferPointer(ofType: Float.self) { Array($0) }
            }
        }

        private func feature(_ input: NetworkInput) throws -> MLFeatureValue {
            switch input {
            case .tensor(let tensor):
                let array = try MLMultiArray(shape: artefact.input.shape.map { NSNumber(value: $0) }, dataType: .float32)
                array.withUnsafeMutableBufferPointer(ofType: Float.self) { buffer, strides in
                    precondition(buffer.count == tensor.count)  // a fresh array has no padding
                    _ = buffer.update(fromContentsOf: tensor)
                }
                return MLFeatureValue(multiArray: array)
            case .pixels(let image):
                return MLFeatureValue(pixelBuffer: try pixelBuffer(image))
            }
        }
    }

    /// Runs `body`; Core ML's errors become a `Failure`.
    private func translating<T>(_ artefact: ArtefactEntry, _ body: () async throws -> T) async throws -> T {
        do { return try await body() } catch { throw translated(error, artefact) }
    }

    private func translatingNow<T>(_ artefact: ArtefactEntry, _ body: () throws -> T) throws -> T {
        do { return try body() } catch { throw translated(error, artefact) }
    }

    private func translated(_ error: any Error, _ artefact: ArtefactEntry) -> Failure {
        error as? Failure
            ?? Failure(
                got: "\(artefact.path), which Core ML does not run: \(error.localizedDescription)",
                allowed: "a package that this device's Core ML accepts",
                advice: "choose the CPU, or convert with an older --ios")
    }
#endif
