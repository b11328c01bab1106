#if canImport(ExecuTorch)
    import EvitKit
    import ExecuTorch
    import Foundation

    /// ExecuTorch: what runs where is written in the file, so there is nothing to choose.
    public struct ExecuTorchRuntime: EvitKit.Runtime {
        public let format: String
        public let name: String
        public let computeUnits: [String]

        /// Files for XNNPACK, on the CPU.
        public static let xnnpack = ExecuTorchRuntime(format: "executorch", name: "ExecuTorch", computeUnits: ["CPU"])

        /// Files for the Core ML delegate, which call a package inside; evit-mobile writes them for all compute units.
        public static let coreML = ExecuTorchRuntime(
            format: "executorch-coreml", name: "ExecuTorch with Core ML", computeUnits: ["all"])

        public func open(_ file: URL, _ artefact: ArtefactEntry, classes: Int, computeUnits: String) async throws -> any Engine {
            try ExecuTorchEngine(file, artefact)
        }
    }

    /// One opened file. An actor: a module runs one inference at a time.
    actor ExecuTorchEngine: Engine {
        private let module: Module
        private let artefact: ArtefactEntry

        init(_ file: URL, _ artefact: ArtefactEntry) throws {
            module = Module(filePath: file.path)
            self.artefact = artefact
            do { try module.load("forward") } catch { throw translated(error, artefact) }
        }

        func run(_ input: NetworkInput) throws -> [Float] {
            let shape = artefact.input.shape
            do {
                switch input {
                case .tensor(let tensor): return try Tensor<Float>(module.forward(Tensor<Float>(tensor, shape: shape))).scalars()
                case .pixels(let image): return try Tensor<Float>(module.forward(Tensor<UInt8>(image.pixels, shape: shape))).scalars()
                }
            } catch {
                throw translated(error, artefact)
            }
        }
    }

    private func translated(_ error: any Swift.Error, _ artefact: ArtefactEntry) -> Failure {
        Failure(
            got: "\(artefact.path), which ExecuTorch does not run: \(error.localizedDescription)",
            allowed: "a .pte whose backends are linked into the app",
            advice: "convert again with the ExecuTorch release named in project.executorch.yml")
    }
#endif
