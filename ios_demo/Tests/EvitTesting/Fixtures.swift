import EvitKit
import Foundation

/// Folders that tests/ios_demo/fixtures.py wrote; EVIT_MOBILE_FIXTURES says where.
public enum Fixtures {
    public static let folder: URL = {
        guard let path = ProcessInfo.processInfo.environment["EVIT_MOBILE_FIXTURES"] else {
            fatalError("EVIT_MOBILE_FIXTURES is not set: run `make test-ios` in the repository's root")
        }
        return URL(fileURLWithPath: path)
    }()

    public static func model(_ name: String) -> URL { folder.appendingPathComponent(name) }
}

/// A copy of a model folder that may be damaged; it goes when the test lets go of it.
public final class FolderCopy: Sendable {
    public let url: URL

    public init(_ original: URL) throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.copyItem(at: original, to: url)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    public var files: ModelFiles { ModelFiles(folder: url) }

    /// Rewrites a text file.
    public func edit(_ path: String, _ change: (String) throws -> String) throws {
        let file = url.appendingPathComponent(path)
        try change(String(contentsOf: file, encoding: .utf8)).write(to: file, atomically: true, encoding: .utf8)
    }

    /// Flips a bit of a file.
    public func damage(_ path: String, at position: Int) throws {
        let file = url.appendingPathComponent(path)
        var bytes = try Data(contentsOf: file)
        bytes[position] ^= 1
        try bytes.write(to: file)
    }

    public func remove(_ path: String) throws { try FileManager.default.removeItem(at: url.appendingPathComponent(path)) }
}

/// Gives the logits that Python's golden vectors hold for an artefact, image after image, and counts its runs.
public actor ReplayEngine: Engine {
    private let logits: [[Float]]
    public private(set) var runs = 0

    public init(_ logits: [[Float]]) {
        self.logits = logits
    }

    public func run(_ input: NetworkInput) -> [Float] {
        defer { runs += 1 }
        return logits[runs % logits.count]
    }
}

/// A runtime whose engines replay.
public struct ReplayRuntime: Runtime {
    public let format: String
    public let name = "Replay"
    public let computeUnits = ["CPU", "GPU"]
    private let golden: Golden

    public init(format: String, _ golden: Golden) {
        (self.format, self.golden) = (format, golden)
    }

    public func open(_ file: URL, _ artefact: ArtefactEntry, classes: Int, computeUnits: String) throws -> any Engine {
        guard let entry = golden.bundle.artefacts[artefact.path] else {
            throw Failure(got: "no logits of \(artefact.path)", allowed: "some")
        }
        return ReplayEngine(entry.logits)
    }
}

/// The `Failure` that `body` throws. Throws what else it throws, or `NoFailure`.
public func failure(_ body: () async throws -> Void) async throws -> Failure {
    do {
        try await body()
    } catch let failure as Failure {
        return failure
    }
    throw NoFailure()
}

public struct NoFailure: Error {}
