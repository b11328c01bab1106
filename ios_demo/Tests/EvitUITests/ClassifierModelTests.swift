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

    @Test("A damaged folder ends on the error screen in words")
    func damaged() async throws {
        let copy = try FolderCopy(Fixtures.model("m0"))
        try copy.edit("manifest.json") { $0.replacingOccurrences(of: "\"schema\": 1", with: "\"schema\": 2") }
        let model = model(copy.files, ReplayEngine(logits))
        await model.start()
        guard case .failed(let failure, let choices, _) = model.state else { throw NotRunning(state: "\(model.state)") }
        #expect(failure.got.contains("schema 2") && choices.isEmpty)
    }

    @Test("An engine that fails is shown, and so are logits that are no numbers")
    func failing() async throws {
        let (model, _) = try await started(ReplayEngine([Array(repeating: .nan, count: logits[0].count)]))
        await model.classify(image)
        guard case .failed(let failure, _, _) = model.state else { throw NotRunning(state: "\(model.state)") }
        #expect(failure.got.contains("not finite"))
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
