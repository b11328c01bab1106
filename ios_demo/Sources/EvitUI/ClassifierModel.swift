import EvitKit
import Foundation
import Observation

/// Owns the model folder and the open classifier.
@MainActor @Observable
public final class ClassifierModel {
    public private(set) var state = UiState.loading
    public private(set) var benchmarkState = BenchmarkState.idle

    private let device: any Device
    private let openFolder: @Sendable () throws -> ModelFolder
    private let gate = FrameGate()
    private var folder: ModelFolder?
    private var classifier: (any Classifier)?

    public init(device: any Device, openFolder: @escaping @Sendable () throws -> ModelFolder) {
        (self.device, self.openFolder) = (device, openFolder)
    }

    /// Reads the folder and opens its first choice.
    public func start() async {
        await showing(choices: [], selected: nil) {
            self.folder = try await self.reading()
            try await self.open(0)
        }
    }

    /// Opens the choice at this position of the shown list instead of the one that runs.
    public func select(_ position: Int) async {
        guard let folder, folder.choices.indices.contains(position) else { return }
        await showing(choices: titles, selected: position) { try await self.open(position) }
    }

    /// Classifies a frame of the camera, or drops it when another one is being classified: frames never queue. `read` makes the
    /// image and is called at once, on the caller's thread, only for frames that are not dropped. Returns whether it was taken.
    @discardableResult
    public nonisolated func onFrame(_ read: () -> RgbImage) -> Bool {
        guard gate.enter() else { return false }
        let image = read()
        Task {
            await classify(image)
            gate.leave()
        }
        return true
    }

    /// Classifies a photo.
    public func classify(_ image: RgbImage) async {
        guard let classifier, case .running(let running) = state, case .idle = benchmarkState else { return }
        await showing(choices: running.choices, selected: running.selected) {
            let result = try await classifier.classify(image)
            guard case .running(var now) = self.state, now.selected == running.selected else { return }
            (now.result, now.dropped) = (result, self.gate.dropped)
            self.state = .running(now)
        }
    }

    /// Shows what could not be read, such as a photo.
    public func show(_ failure: Failure) { state = .failed(failure, choices: titles, selected: nil) }

    /// Measures every artefact on the compute units that are chosen now. Frames are not classified meanwhile.
    public func runBenchmark() async {
        guard let folder, case .running(let running) = state, !isMeasuring else { return }
        benchmarkState = .measuring(0)
        do {
            let units = folder.choices[running.selected].computeUnits
            let report = try await EvitKit.runBenchmark(folder, computeUnits: units, device: device) { share in
                await MainActor.run { self.benchmarkState = .measuring(share) }
            }
            let file = FileManager.default.temporaryDirectory.appendingPathComponent("benchmark.json")
            try report.json().write(to: file, options: .atomic)
            benchmarkState = .done(report: file, lines: report.artefacts.map(line))
        } catch {
            benchmarkState = .failed(failure(error))
        }
    }

    public func closeBenchmark() {
        if !isMeasuring { benchmarkState = .idle }
    }

    private var titles: [String] { folder?.choices.map(\.title) ?? [] }

    private var isMeasuring: Bool {
        if case .measuring = benchmarkState { true } else { false }
    }

    /// Off the main thread: hashing takes a moment.
    private func reading() async throws -> ModelFolder {
        try await Task.detached { [openFolder] in try openFolder() }.value
    }

    private func open(_ position: Int) async throws {
        guard let folder else { return }
        (state, classifier) = (.loading, nil)
        let opened = try await folder.open(folder.choices[position])
        classifier = opened
        state = .running(
            UiState.Running(
                model: folder.manifest.model.name, choices: titles, selected: position,
                runsOn: "\(opened.runtime), \(opened.computeUnits)", precision: opened.artefact.precision, notices: opened.notices))
    }

    /// Runs `body`; the state then shows what it throws.
    private func showing(choices: [String], selected: Int?, _ body: () async throws -> Void) async {
        do { try await body() } catch { state = .failed(failure(error), choices: choices.isEmpty ? titles : choices, selected: selected) }
    }
}

private func line(_ entry: MeasuredEntry) -> String {
    let summary = LatencySummary(entry.latenciesMs)
    let proof = entry.golden.map { $0.passed ? ", agrees with Python" : ", does not agree with Python" } ?? ""
    return "\(entry.name): p50 \(told(summary.p50Ms)), p90 \(told(summary.p90Ms)), p99 \(told(summary.p99Ms))\(proof)"
}

/// Milliseconds with two digits behind the point.
func told(_ ms: Double) -> String {
    let hundredths = Int((ms * 100).rounded())
    return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100) ms"
}

/// What is no `Failure` is a bug, and shown as one.
private func failure(_ error: any Error) -> Failure {
    error as? Failure ?? Failure(got: "an error that the app does not know: \(error)", allowed: "none", advice: "report it")
}
