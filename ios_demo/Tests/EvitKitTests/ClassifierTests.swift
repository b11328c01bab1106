import EvitTesting
import Foundation
import Testing

@testable import EvitKit

@Suite struct ClassifierTests {
    private static let models = ["m0", "b0", "five", "photo"]

    /// The likeliest classes of one image, best first, and their probabilities, as numpy computed them.
    private struct Top: Decodable {
        let classes: [Int]
        let probabilities: [Double]
    }

    @Test("Stored logits, of the reference and of artefacts, give numpy's classes and probabilities", arguments: models)
    func topClasses(name: String) throws {
        let files = ModelFiles(folder: Fixtures.model(name))
        let manifest = try readManifest(files)
        let bundle = try Golden(files, try #require(manifest.golden)).bundle
        let top = try JSONDecoder().decode([[Top]].self, from: try files.read("top.json"))
        let artefacts = bundle.artefacts.sorted { $0.key < $1.key }
        #expect(Set(artefacts.map(\.key)).isSuperset(of: manifest.artefacts.map(\.path)))
        let series = [bundle.images.map(\.reference)] + artefacts.map(\.value.logits)
        let ready = [false] + artefacts.map { _ in manifest.artefacts.allSatisfy(\.givesProbabilities) }
        #expect(series.map(\.count) == top.map(\.count) && top[0].count == 32)
        let rows = zip(series, ready).flatMap { values, ready in values.map { ($0, ready) } }
        for ((values, ready), expected) in zip(rows, top.joined()) {
            let found = try predictions(values, labels: manifest.labels, count: 3, areProbabilities: ready)
            #expect(found.map(\.label) == expected.classes.map { manifest.labels.isEmpty ? "class \($0)" : manifest.labels[$0] })
            for (prediction, probability) in zip(found, expected.probabilities) {
                #expect(abs(prediction.probability - probability) < 1e-6)
            }
        }
    }

    @Test("An engine is held against the golden vectors; logits of other images and NaN do not pass", arguments: models)
    func goldenCheck(name: String) async throws {
        let files = ModelFiles(folder: Fixtures.model(name))
        let folder = try replayFolder(files, format: try readManifest(files).artefacts[0].format)
        let golden = try #require(try folder.golden())
        let found = try await checkGolden(try await folder.open(folder.choices[0]), golden, decode: decodePng)
        #expect(found.images == 32 && found.top1 == 32 && found.logitError == 0 && found.tensorError <= 1e-5 && found.passed)
        let shifted = try await folder.open(folder.choices[0])
        _ = try await shifted.classify(try decodePng(try golden.encoded(golden.bundle.images[0])))
        #expect(try await !checkGolden(shifted, golden, decode: decodePng).passed)
        let worse = GoldenCheck(images: 1, top1: 1, tensorError: .nan, logitError: 0, logitLimit: 1)
        #expect(!worse.passed)
    }

    @Test("A file for photos is given pixels, and its probabilities are taken as they are")
    func photo() async throws {
        let folder = try replayFolder(ModelFiles(folder: Fixtures.model("photo")), format: "executorch")
        let classifier = try await folder.open(folder.choices[0])
        let golden = try #require(try folder.golden())
        let image = try decodePng(try golden.encoded(golden.bundle.images[0]))
        guard case .pixels(let given) = try classifier.input(image) else {
            Issue.record("a tensor in place of pixels")
            return
        }
        let expected = try golden.pixels(golden.bundle.images[0])
        #expect(given.pixels == expected)
        let stored = try #require(golden.bundle.artefacts[classifier.artefact.path]).logits[0]
        let found = try await classifier.classify(image)
        let largest = try #require(stored.max())
        #expect(found.predictions[0].probability == Double(largest))
    }

    @Test("A classification names classes and tells times")
    func classification() async throws {
        let folder = try replayFolder(ModelFiles(folder: Fixtures.model("m0")))
        let classifier = try await folder.open(folder.choices[0])
        let golden = try #require(try folder.golden())
        let found = try await classifier.classify(try decodePng(try golden.encoded(golden.bundle.images[0])))
        #expect(found.predictions.count == 3)
        #expect(found.preprocessMs > 0 && found.inferenceMs > 0)
        #expect(classifier.notices.isEmpty)
    }

    @Test("An artefact that was not proven says so, and one of other classes fails")
    func unproven() async throws {
        let copy = try FolderCopy(Fixtures.model("m0"))
        try copy.edit("manifest.json") { $0.replacingOccurrences(of: "\"verdict\": \"passed\"", with: "\"verdict\": \"failed\"") }
        let folder = try replayFolder(copy.files)
        let classifier = try await folder.open(folder.choices[0])
        #expect(classifier.notices.count == 1 && classifier.notices[0].contains("failed"))
        let wrong = EngineClassifier(ReplayEngine([[1, 2]]), folder.choices[0], folder.manifest)
        await #expect(throws: Failure.self) { try await wrong.logits(.tensor([])) }
    }
}
