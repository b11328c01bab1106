#if canImport(CoreAI)
    import CoreAI
    import EvitKit
    import Foundation

    /// Core AI, from iOS 27 on. It specialises an asset for the device when it is opened, and chooses compute units itself.
    @available(iOS 27.0, macOS 27.0, *)
    public struct CoreAIRuntime: EvitKit.Runtime {
        public let format = "coreai"
        public let name = "Core AI"
        public let computeUnits = ["all"]

        public init() {}

        public func open(_ file: URL, _ artefact: ArtefactEntry, classes: Int, computeUnits: String) async throws -> any Engine {
            guard let output = artefact.logits(classes: classes) else {
                throw Failure(got: "\(artefact.path) without logits", allowed: "one output for \(classes) classes")
            }
            return try await CoreAIEngine(file, artefact, output: output.name)
        }
    }

    /// One opened asset. Its function may be called from several tasks.
    @available(iOS 27.0, macOS 27.0, *)
    struct CoreAIEngine: Engine {
        private let function: InferenceFunction
        private let artefact: ArtefactEntry
        private let output: String

        /// Specialises and opens an asset. Throws `Failure`.
        init(_ file: URL, _ artefact: ArtefactEntry, output: String) async throws {
            function = try await load(file, artefact)
            (self.artefact, self.output) = (artefact, output)
        }

        func run(_ input: NetworkInput) async throws -> [Float] {
            do {
                var outputs = try await function.run(inputs: [artefact.input.name: array(input)])
                guard let logits = outputs.remove(output)?.ndArray else {
                    throw Failure(got: "\(artefact.path) without an output \(output)", allowed: "what its manifest says")
                }
                return scalars(logits)
            } catch {
                throw translated(error, artefact)
            }
        }

        /// The input as an array: floats, or the bytes of the pixels, row by row.
        private func array(_ input: NetworkInput) -> NDArray {
            switch input {
            case .tensor(let tensor): NDArray(scalars: tensor, shape: artefact.input.shape)
            case .pixels(let image): NDArray(scalars: image.pixels, shape: artefact.input.shape)
            }
        }
    }

    /// The asset's function for the size of the manifest's input: the one called `main`, or of several sizes that of this one. An asset that
    /// normalises has one for images and one for their pixels; the latter is what was proven. Throws `Failure`.
    @available(iOS 27.0, macOS 27.0, *)
    private func load(_ file: URL, _ artefact: ArtefactEntry) async throws -> InferenceFunction {
        let (shape, kind) = artefact.input.isImage ? (artefact.input.shape[1...2], "pixels_") : (artefact.input.shape[2...3], "")
        let size = shape.map(String.init).joined(separator: "x")
        do {
            let model = try await AIModel(contentsOf: file)
            guard let name = [kind + "main", kind + "size_" + size].first(where: model.functionNames.contains),
                let function = try model.loadFunction(named: name)
            else {
                throw Failure(got: "\(artefact.path) without a function for \(size)", allowed: "what its manifest says")
            }
            return function
        } catch {
            throw translated(error, artefact)
        }
    }

    /// The scalars of an array (1, classes), whose last dimension may be strided.
    @available(iOS 27.0, macOS 27.0, *)
    private func scalars(_ logits: NDArray) -> [Float] {
        logits.view(as: Float.self).withUnsafePointer { values, shape, strides in
            let last = shape.count - 1
            return (0..<shape[last]).map { values[$0 * strides[last]] }
        }
    }

    /// Core AI's errors become a `Failure`.
    private func translated(_ error: any Swift.Error, _ artefact: ArtefactEntry) -> Failure {
        error as? Failure
            ?? Failure(
                got: "\(artefact.path), which Core AI does not run: \(error.localizedDescription)",
                allowed: "an asset that this device's Core AI accepts",
                advice: "use the Core ML package")
    }
#endif
