import EvitTesting
import Foundation
import Testing

@testable import EvitKit

@Suite struct BenchmarkTests {
    @Test("Subjects are measured in rounds of blocks; marks around each run are not timed")
    func order() async throws {
        let clock = FakeClock()
        func subject(_ name: Character, ms: Double) -> BenchmarkSubject { BenchmarkSubject(loadMs: 1) { clock.pass(ms, name) } }
        let found = try await benchmark(
            [subject("A", ms: 2), subject("B", ms: 5)], nowMs: { clock.now }, mark: { clock.pass(7, $0 ? "(" : ")") })
        #expect(found[0].latenciesMs == Array(repeating: 2, count: rounds * blockRuns))
        #expect(found[1].latenciesMs == Array(repeating: 5, count: rounds * blockRuns))
        #expect(found[0].firstRunMs == 2 && found[0].warmUpMs.count == 60)
        let round = String(repeating: "(A)", count: blockRuns) + String(repeating: "(B)", count: blockRuns)
        #expect(clock.order.hasSuffix(String(repeating: round, count: rounds)))
    }

    @Test("The whole benchmark, written where Python reads it back (EVIT_MOBILE_REPORT)")
    func report() async throws {
        let folder = try replayFolder(ModelFiles(folder: Fixtures.model("m0")))
        let report = try await runBenchmark(folder, computeUnits: "GPU", device: TestDevice())
        let entry = try #require(report.artefacts.first)
        #expect(report.artefacts.count == 1 && entry.computeUnits == "GPU" && entry.latenciesMs.count == rounds * blockRuns)
        let data = try report.json()
        let text = String(decoding: data, as: UTF8.self)
        for word in ["\"latencies_ms\"", "\"thermal_before\" : \"nominal\"", "\"peak_memory_bytes\" : null", "\"appVersion\" : \"1\""] {
            #expect(text.contains(word), "no \(word)")
        }
        if let path = ProcessInfo.processInfo.environment["EVIT_MOBILE_REPORT"] { try data.write(to: URL(fileURLWithPath: path)) }
    }

    @Test("A failing inference ends the benchmark with its failure")
    func failing() async {
        let subject = BenchmarkSubject(loadMs: 0) { throw Failure(got: "x", allowed: "y") }
        await #expect(throws: Failure.self) { try await benchmark([subject]) }
    }
}

/// A clock that only `pass` moves; it keeps who ran in which order.
private final class FakeClock: @unchecked Sendable {  // the lock guards both
    private let lock = NSLock()
    private var time = 0.0
    private var names = ""

    var now: Double { lock.withLock { time } }
    var order: String { lock.withLock { names } }

    func pass(_ ms: Double, _ name: Character) {
        lock.withLock {
            time += ms
            names.append(name)
        }
    }
}
