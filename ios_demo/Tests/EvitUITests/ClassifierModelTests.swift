import EvitKit
import EvitTesting
import EvitUI
import Foundation
import Testing

@MainActor @Suite struct ClassifierModelTests {
    private let golden: Golden
    private let image: RgbImage

    init() throws {
        let files = ModelFiles(folder: Fixtures.model("m0"))
        golden = try Golden(files, try #require(try readManifest(files).golden))
        image = try decodePng(try golden.encoded(golden.bundle.images[0]))
    }

    private func model(_ files: ModelFiles, _ engine: any Engine) -> ClassifierModel {
        ClassifierModel(device: TestDevice()) { try ModelFolder(files, runtimes: [OneEngine(engine: engine)]) }
    }

    private func started(_ engine: any Engine) async throws -> (ClassifierModel, UiState.Running) {
        let model = model(ModelFiles(folder: Fixtures.model("m0")), engine)
        #expect(model.state == .loading)
        await model.start()
        return (model, try running(model))
    }

    private func running(_ model: ClassifierModel) throws -> UiState.Running {
        guard case .running(let running) = model.state else { throw NotRunning(state: "\(model.state)") }
        return running
    }

    private var logits: [[Float]] { golden.bundle.images.map(\.reference) }

    @Test("The first choice opens, a photo gets classes, another choice replaces it")
    func photo() async throws {
        let (model, first) = try await started(ReplayEngine(logits))
        #expect(first.choices == ["Test fp16, CPU", "Test fp16, broken"] && first.result == nil && first.precision == "fp16")
        await model.classify(image)
        #expect(try running(model).result?.predictions.count == 3)
        await model.select(1)
        guard case .failed(let failure, let choices, let selected) = model.state else { throw NotRunning(state: "\(model.state)") }
        #expect(failure.got == "broken units" && choices.count == 2 && selected == 1)
        await model.select(0)
        #expect(try running(model).result == nil)
    }

    @Test("Frames are dropped, not queued, while one is being classified")
    func frames() async throws {
        let engine = SlowEngine(logits[0])
        let (model, _) = try await started(engine)
        #expect(model.onFrame { image })
        for _ in 0..<5 {
            let taken = model.onFrame {
                Issue.record("a dropped frame was read")
                return image
            }
            #expect(!taken)
        }
        await engine.release()
        while try running(model).result == nil { await Task.yield() }
        #expect(try running(model).dropped == 5)
        #expect(await engine.runs == 1)
        while !model.onFrame({ image }) { await Task.yield() }
    }

    @Test("Another model needs no other code", arguments: ["m0", "b0", "five"])
    func otherModel(name: String) async throws {
        let files = ModelFiles(folder: Fixtures.model(name))
        let manifest = try readManifest(files)
        let golden = try Golden(files, try #require(manifest.golden))
        let path = try #require(manifest.artefacts.first { $0.format == "coreml" }).path
        let logits = try #require(golden.bundle.artefacts[path]).logits
        let model = model(files, ReplayEngine(logits))
        await model.start()
        await model.classify(try decodePng(try golden.encoded(golden.bundle.images[0])))
        let state = try running(model)
        #expect(state.model == manifest.model.name && path.contains(state.precision))
        #expect(state.result?.predictions.first?.label == manifest.labels[topK(logits[0], 1)[0]])
    }

    /// What is done to a folder, and a word that the screen must show.
    private nonisolated static let damages: [(damage: @Sendable (FolderCopy, String) throws -> Void, word: String)] = [
        ({ copy, _ in try copy.replace("\"schema\": 2", "\"schema\": 3") }, "schema 3"),
        ({ copy, _ in try copy.replace("\"sha256\": \"", "\"sha256\": \"00") }, "SHA-256"),
        ({ copy, path in try copy.remove(path) }, "no readable"),
        ({ copy, path in try copy.damage(path + "/Data/com.apple.CoreML/weights/weight.bin", at: 4711) }, "SHA-256"),
        ({ copy, _ in try copy.remove("manifest.json") }, "manifest.json"),
    ]

    @Test("A wrong hash, a missing or damaged artefact and an unknown schema end on the error screen", arguments: damages.indices)
    func damaged(index: Int) async throws {
        let copy = try FolderCopy(Fixtures.model("m0"))
        let (damage, word) = Self.damages[index]
        let path = try #require(try readManifest(copy.files).artefacts.first { $0.format == "coreml" }).path
        try damage(copy, path)
        let model = model(copy.files, ReplayEngine(logits))
        await model.start()
        guard case .failed(let failure, _, _) = model.state else { throw NotRunning(state: "\(model.state)") }
        #expect(failure.got.contains(word) && !failure.allowed.isEmpty && !failure.advice.isEmpty, "\(failure)")
    }

    @Test("An engine that fails is shown, and so are logits that are no numbers")
    func failing() async throws {
        let (model, _) = try await started(ReplayEngine([Array(repeating: .nan, count: logits[0].count)]))
        await model.classify(image)
        guard case .failed(let failure, _, _) = model.state else { throw NotRunning(state: "\(model.state)") }
        #expect(failure.got.contains("not finite"))
        await model.select(0)
        await model.runBenchmark()
        guard case .failed(let inBenchmark) = model.benchmarkState else { throw NotRunning(state: "\(model.benchmarkState)") }
        #expect(inBenchmark.got.contains("not finite"))
    }

    @Test("A benchmark ends with a report and a line per artefact")
    func benchmark() async throws {
        let (model, _) = try await started(ReplayEngine(logits))
        await model.runBenchmark()
        guard case .done(let report, let lines) = model.benchmarkState else { throw NotRunning(state: "\(model.benchmarkState)") }
        let text = try String(contentsOf: report, encoding: .utf8)
        #expect(text.contains("\"latencies_ms\"") && lines.count == 1 && lines[0].contains("p50"))
        model.closeBenchmark()
        #expect(model.benchmarkState == .idle)
    }
}

private struct NotRunning: Error {
    let state: String
}

/// Opens the same engine for every Core ML package, but not on the units called broken.
private struct OneEngine: EvitKit.Runtime {
    let format = "coreml"
    let name = "Test"
    let computeUnits = ["CPU", "broken"]
    let engine: any Engine

    func open(_ file: URL, _ artefact: ArtefactEntry, classes: Int, computeUnits: String) throws -> any Engine {
        if computeUnits == "broken" { throw Failure(got: "broken units", allowed: "others") }
        return engine
    }
}

/// Waits in its first run until it is released.
private actor SlowEngine: Engine {
    private let logits: [Float]
    private var waiting: CheckedContinuation<Void, Never>?
    private var released = false
    private(set) var runs = 0

    init(_ logits: [Float]) {
        self.logits = logits
    }

    func run(_ input: NetworkInput) async -> [Float] {
        if !released { await withCheckedContinuation { waiting = $0 } }
        runs += 1
        return logits
    }

    func release() {
        released = true
        waiting?.resume()
    }
}

extension FolderCopy {
    /// Replaces words of the manifest.
    fileprivate func replace(_ old: String, _ new: String) throws {
        try edit("manifest.json") { $0.replacingOccurrences(of: old, with: new) }
    }
}
