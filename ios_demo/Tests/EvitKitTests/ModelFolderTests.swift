import EvitTesting
import Foundation
import Testing

@testable import EvitKit

@Suite struct ModelFolderTests {
    @Test("Packages and files have the SHA-256 that Python wrote", arguments: ["m0", "b0", "five"])
    func digests(name: String) throws {
        let files = ModelFiles(folder: Fixtures.model(name))
        for artefact in try readManifest(files).artefacts { _ = try files.verified(artefact.path, sha256: artefact.sha256) }
    }

    @Test("SHA-256 of the standard's examples")
    func standard() {
        func portable(_ parts: [String]) -> String {
            var hash = PortableSha256()
            for part in parts { hash.update(Data(part.utf8)) }
            return hash.finalize().map { String(format: "%02x", $0) }.joined()
        }
        #expect(portable(["a", "bc"]) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(portable([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        let long = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
        #expect(portable([long]) == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
        let million = portable(Array(repeating: String(repeating: "a", count: 1000), count: 1000))
        #expect(million == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test("Choices are artefacts times compute units; a format without runtime is left out")
    func choices() async throws {
        let folder = try replayFolder(ModelFiles(folder: Fixtures.model("m0")))
        #expect(folder.choices.map(\.title) == ["Replay fp16, CPU", "Replay fp16, GPU"])
        let found = try await failure { _ = try replayFolder(ModelFiles(folder: Fixtures.model("m0")), format: "tflite") }
        #expect(found.got.contains("coreml, executorch"))
    }

    @Test("A damaged package is refused")
    func damagedPackage() async throws {
        let copy = try FolderCopy(Fixtures.model("m0"))
        let folder = try replayFolder(copy.files)
        let path = folder.choices[0].artefact.path
        try copy.damage(path + "/Data/com.apple.CoreML/weights/weight.bin", at: 4711)
        let found = try await failure { _ = try await folder.open(folder.choices[0]) }
        #expect(found.got.contains(path) && found.got.contains("SHA-256"), "\(found)")
    }

    @Test("A file added to a package is seen")
    func addedFile() async throws {
        let copy = try FolderCopy(Fixtures.model("m0"))
        let folder = try replayFolder(copy.files)
        try Data().write(to: copy.url.appendingPathComponent(folder.choices[0].artefact.path + "/empty"))
        await #expect(throws: Failure.self) { try await folder.open(folder.choices[0]) }
    }

    @Test("A missing artefact is named")
    func missingArtefact() async throws {
        let copy = try FolderCopy(Fixtures.model("m0"))
        let folder = try replayFolder(copy.files)
        let path = folder.choices[0].artefact.path
        try copy.remove(path)
        let found = try await failure { _ = try await folder.open(folder.choices[0]) }
        #expect(found.got.contains(path) && found.advice.contains("export-app"), "\(found)")
    }

    @Test("Altered golden files are refused", arguments: ["golden.json", "00.png", "00.f32"])
    func alteredGolden(name: String) async throws {
        let copy = try FolderCopy(Fixtures.model("m0"))
        try copy.damage("golden/" + name, at: 100)
        let found = try await failure {
            let golden = try Golden(copy.files, try #require(try readManifest(copy.files).golden))
            _ = try golden.encoded(golden.bundle.images[0])
            _ = try golden.tensor(golden.bundle.images[0])
        }
        #expect(found.got.contains(name) && found.got.contains("SHA-256"), "\(found)")
    }
}
