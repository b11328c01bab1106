/// One thing the user can choose to run.
public struct Choice: Sendable {
    public let artefact: ArtefactEntry
    public let runtime: any Runtime
    public let computeUnits: String

    public var title: String { "\(runtime.name) \(artefact.precision), \(computeUnits)" }
}

/// A model folder and the runtimes that this app has for it.
public struct ModelFolder: Sendable {
    public let manifest: Manifest
    public let choices: [Choice]
    private let files: ModelFiles

    /// Reads and checks the manifest. Throws `Failure`, also when no runtime here takes any artefact.
    public init(_ files: ModelFiles, runtimes: [any Runtime]) throws {
        self.files = files
        manifest = try readManifest(files)
        choices = manifest.artefacts.flatMap { artefact in
            runtimes.filter { $0.format == artefact.format }.flatMap { runtime in
                runtime.computeUnits.map { Choice(artefact: artefact, runtime: runtime, computeUnits: $0) }
            }
        }
        for choice in choices { try check(choice.artefact, of: manifest) }
        let formats = Set(manifest.artefacts.map(\.format)).sorted().joined(separator: ", ")
        let known = runtimes.map(\.format).joined(separator: ", ")
        try demand(
            !choices.isEmpty, Failure(got: "artefacts of \(formats)", allowed: known, advice: "convert to one of these formats"))
    }

    /// Opens an artefact whose SHA-256 is checked first. Throws `Failure`.
    public func open(_ choice: Choice) async throws -> any Classifier {
        let file = try files.verified(choice.artefact.path, sha256: choice.artefact.sha256)
        let classes = manifest.model.numClasses
        let engine = try await choice.runtime.open(file, choice.artefact, classes: classes, computeUnits: choice.computeUnits)
        return EngineClassifier(engine, choice, manifest)
    }

    /// The golden vectors, where the folder has some. Throws `Failure`.
    public func golden() throws -> Golden? { try manifest.golden.map { try Golden(files, $0) } }
}
