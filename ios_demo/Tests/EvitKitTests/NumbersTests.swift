import EvitTesting
import Foundation
import Testing

@testable import EvitKit

@Suite struct NumbersTests {
    @Test("Softmax survives large logits and keeps the order")
    func largeLogits() throws {
        let found = try predictions([1000, 1002, 1001], labels: ["a", "b"], count: 2)
        #expect(found.map(\.label) == ["b", "class 2"])
        #expect(abs(found[0].probability - 1 / (1 + exp(-1) + exp(-2))) < 1e-12)
        #expect(abs(softmax([3, -50, 0]).reduce(0, +) - 1) < 1e-12)
    }

    @Test("Of equal logits the earlier class comes first")
    func ties() { #expect(topK([0, 7, 7], 3) == [1, 2, 0]) }

    @Test("NaN is a failure, not a class, and a distance of its own")
    func notANumber() {
        #expect(throws: Failure.self) { try predictions([0, .nan], labels: [], count: 1) }
        #expect(maxAbsError([.nan, 1], [0, 0]).isNaN)
        #expect(maxAbsError([1, 2], [1, 4]) == 2)
    }

    @Test("Quantiles are NumPy's")
    func quantiles() {
        #expect(quantile([4, 1, 3, 2], 0.5) == 2.5)
        #expect(abs(quantile([4, 1, 3, 2], 0.9) - 3.7) < 1e-12)
        #expect(abs(LatencySummary([4, 1, 3, 2]).p99Ms - 3.97) < 1e-12)
    }

    @Test("Frames that come while one is in are dropped and counted")
    func gate() {
        let gate = FrameGate()
        #expect(gate.enter())
        #expect(!gate.enter() && !gate.enter())
        gate.leave()
        #expect(gate.enter())
        #expect(gate.dropped == 2)
    }
}
