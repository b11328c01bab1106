import Foundation

/// A class and the share of probability that softmax gives it, 0..1.
public struct Prediction: Sendable, Equatable {
    public let label: String
    public let probability: Double

    public init(label: String, probability: Double) {
        self.label = label
        self.probability = probability
    }
}

/// Softmax of logits, in Double, safe against overflow.
public func softmax(_ logits: [Float]) -> [Double] {
    let largest = Double(logits.max() ?? 0)
    let powers = logits.map { exp(Double($0) - largest) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
}

/// Positions of the `count` largest values, largest first; of equals the earlier one.
public func topK(_ values: [Float], _ count: Int) -> [Int] {
    Array(values.indices.sorted { (-values[$0], $0) < (-values[$1], $1) }.prefix(count))
}

/// Throws `Failure` for logits that are no numbers, as of arithmetic that overflowed.
func demandFinite(_ logits: [Float]) throws {
    try demand(
        logits.allSatisfy(\.isFinite),
        Failure(got: "logits that are not finite", allowed: "numbers", advice: "try the CPU, or an artefact of another precision"))
}

/// The `count` most probable classes of logits, or of what are probabilities already. Classes without labels are called by their number.
/// Throws `Failure` for what is no number.
public func predictions(
    _ values: [Float], labels: [String], count: Int, areProbabilities: Bool = false
) throws -> [Prediction] {
    try demandFinite(values)
    let probabilities = areProbabilities ? values.map(Double.init) : softmax(values)
    return topK(values, count).map { index in
        Prediction(label: labels.indices.contains(index) ? labels[index] : "class \(index)", probability: probabilities[index])
    }
}

/// Largest absolute difference; NaN where one is no number.
public func maxAbsError(_ found: [Float], _ expected: [Float]) -> Double {
    precondition(found.count == expected.count, "\(found.count) values against \(expected.count)")
    return zip(found, expected).map { abs(Double($0) - Double($1)) }.reduce(0, larger)
}

/// The larger of two distances; NaN, of which nothing is larger, stays.
func larger(_ a: Double, _ b: Double) -> Double { a.isNaN || b.isNaN ? .nan : max(a, b) }
