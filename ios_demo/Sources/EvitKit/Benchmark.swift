/// An opened artefact to measure: `run` is one inference, `loadMs` what opening took.
public struct BenchmarkSubject: Sendable {
    public let loadMs: Double
    public let run: @Sendable () async throws -> Void

    public init(loadMs: Double, run: @escaping @Sendable () async throws -> Void) {
        self.loadMs = loadMs
        self.run = run
    }
}

/// What was measured of one subject, in milliseconds. `latenciesMs` are in order, after the warm-up.
public struct Measurement: Sendable, Equatable {
    public let loadMs: Double
    public let firstRunMs: Double
    public let warmUpMs: [Double]
    public let latenciesMs: [Double]
}

/// The loop of docs/profile.md: each subject runs once, then until its latency no longer falls; then come `rounds` rounds of one
/// block of `blockRuns` runs per subject, A B A B. The blocks of a round are pairs, so ratios between subjects are fair.
///
/// `nowMs` is a clock in milliseconds that never goes back; `mark` is told before and after each run; `progress` is told the share of the rounds that is done.
public func benchmark(
    _ subjects: [BenchmarkSubject], nowMs: @Sendable () -> Double = monotonicMs,
    mark: @Sendable (_ begins: Bool) -> Void = { _ in },
    progress: @Sendable (Double) async -> Void = { _ in }
) async throws -> [Measurement] {
    func timeMs(_ subject: BenchmarkSubject) async throws -> Double {
        mark(true)
        defer { mark(false) }
        let start = nowMs()
        try await subject.run()
        return nowMs() - start
    }
    var (firstRunsMs, warmUpsMs): ([Double], [[Double]]) = ([], [])
    for subject in subjects { firstRunsMs.append(try await timeMs(subject)) }
    for subject in subjects { warmUpsMs.append(try await warmUp { try await timeMs(subject) }) }
    var latenciesMs = subjects.map { _ in [Double]() }
    for round in 1...rounds {
        for (index, subject) in subjects.enumerated() {
            for _ in 0..<blockRuns { latenciesMs[index].append(try await timeMs(subject)) }
        }
        await progress(Double(round) / Double(rounds))
    }
    return subjects.indices.map {
        Measurement(
            loadMs: subjects[$0].loadMs, firstRunMs: firstRunsMs[$0], warmUpMs: warmUpsMs[$0], latenciesMs: latenciesMs[$0])
    }
}

/// Runs until the medians of the last two windows agree within `steadyTolerance`, at most `longestWarmUp` windows.
private func warmUp(_ timeMs: () async throws -> Double) async throws -> [Double] {
    var runs: [Double] = []
    var previous = Double.infinity
    for _ in 0..<longestWarmUp {
        var window: [Double] = []
        for _ in 0..<windowRuns { window.append(try await timeMs()) }
        runs += window
        let median = quantile(window, 0.5)
        if abs(previous - median) <= steadyTolerance * median { break }
        previous = median
    }
    return runs
}

/// Time since the process first asked, by a clock that never goes back.
@Sendable public func monotonicMs() -> Double { processStart.elapsedMs }

private let processStart = Stopwatch()

/// Runs per block; `evit-mobile profile` cuts the series into blocks of this size again.
public let blockRuns = 50
public let rounds = 8
private let windowRuns = 30
private let longestWarmUp = 10
private let steadyTolerance = 0.02
