import EvitTesting
import Foundation
import Testing

@testable import EvitKit

@Suite struct ManifestTests {
    @Test("A manifest as evit-mobile writes it")
    func whole() throws {
        let manifest = try readManifest(ModelFiles(folder: Fixtures.model("m0")))
        #expect(manifest.model.name == "efficientvit_m0")
        #expect(manifest.input.shape == [1, 3, 224, 224])
        #expect(manifest.artefacts.map(\.format).sorted() == ["coreml", "executorch"])
        #expect(manifest.labels[1] == "Trouser")
        for artefact in manifest.artefacts {
            try check(artefact, of: manifest)
            #expect(artefact.objection == nil)
        }
    }

    @Test("Another model differs only in its folder")
    func five() throws {
        let manifest = try readManifest(ModelFiles(folder: Fixtures.model("five")))
        #expect(manifest.model.numClasses == 5)
        #expect(manifest.input.height == 192 && manifest.input.width == 256)
        #expect(manifest.artefacts.map(\.precision) == ["int8"])
    }

    /// What is replaced in a manifest, and a word that the message must hold.
    private static let damages: [(old: String, new: String, word: String)] = [
        ("\"schema\": 2", "\"schema\": 1", "schema 1"),
        ("\"schema\": 2", "\"schema\": 7", "schema 7"),
        ("\"schema\": 2,", "", "schema missing"),
        ("\"passed\"", "\"good\"", "good"),
        ("\"validations\"", "\"validation\"", "validations"),
        ("{", "", "cannot be read"),
        ("\"bilinear\"", "\"area\"", "area"),
        ("\"std\"", "\"sdt\"", "std"),
        ("\"Trouser\",", "", "9 labels for 10 classes"),
        ("\"classification\"", "\"segmentation\"", "segmentation"),
        ("\"path\": \"efficientvit_m0.", "\"path\": \"../efficientvit_m0.", "../efficientvit_m0"),
        ("\"RGB\"", "\"BGR\"", "BGR"),
        ("\"dtype\": \"float32\"", "\"dtype\": \"int8\"", "int8"),
        ("\"squash\"", "\"stretch\"", "stretch"),
    ]

    @Test("What is wrong is said in words", arguments: damages)
    func damaged(old: String, new: String, word: String) async throws {
        let copy = try FolderCopy(Fixtures.model("m0"))
        try copy.edit("manifest.json") { text in
            try #require(text.contains(old), "the fixture holds no \(old)")
            return text.replacingOccurrences(of: old, with: new)
        }
        let found = try await failure {
            let manifest = try readManifest(copy.files)
            for artefact in manifest.artefacts { try check(artefact, of: manifest) }
        }
        #expect(found.got.contains(word), "\(found)")
        #expect(!found.advice.isEmpty)
    }

    @Test("One judge of several is enough to leave a file unproven, and a failure is told first")
    func objections() async throws {
        let copy = try FolderCopy(Fixtures.model("m0"))
        let said = ["passed", "not_run", "failed"].map { "{\"verdict\": \"\($0)\", \"reason\": \"\($0)\"}" }
        let expected: [(count: Int, word: String?)] = [(1, nil), (2, "not_run"), (3, "failed")]
        for (count, word) in expected {
            try copy.edit("manifest.json") { text in
                text.replacingOccurrences(
                    of: "\"validations\": \\[[\\s\\S]*?\\],\\s*\"sizes\"",
                    with: "\"validations\": [\(said.prefix(count).joined(separator: ", "))], \"sizes\"", options: .regularExpression)
            }
            let found = try readManifest(copy.files).artefacts.map { $0.objection?.reason }
            #expect(found == [word, word])
        }
    }

    @Test("No manifest")
    func missing() async throws {
        let copy = try FolderCopy(Fixtures.model("m0"))
        try copy.remove("manifest.json")
        let found = try await failure { _ = try readManifest(copy.files) }
        #expect(found.got.contains("manifest.json") && found.advice.contains("export-app ios"))
    }
}
