import EvitKit
import EvitTesting
import Foundation

@testable import EvitKit

/// The bundle of a folder, also where no manifest names it.
func openGolden(_ folder: URL) throws -> Golden {
    let path = "golden/golden.json"
    let sha256 = try digest(of: folder.appendingPathComponent(path))
    return try Golden(ModelFiles(folder: folder), GoldenEntry(path: path, sha256: sha256))
}

/// A model folder whose engines replay the logits of its golden vectors.
func replayFolder(_ files: ModelFiles, format: String = "coreml") throws -> ModelFolder {
    let entry = try readManifest(files).golden
    return try ModelFolder(files, runtimes: [ReplayRuntime(format: format, try Golden(files, entry!))])
}
