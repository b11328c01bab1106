/// Quantile `share` (0..1) of `values`, linear between neighbours, as NumPy's default.
public func quantile(_ values: [Double], _ share: Double) -> Double {
    precondition(!values.isEmpty && (0...1).contains(share), "quantile \(share) of \(values.count) values")
    let sorted = values.sorted()
    let position = share * Double(sorted.count - 1)
    let below = Int(position)
    let above = min(below + 1, sorted.count - 1)
    return sorted[below] + (position - Double(below)) * (sorted[above] - sorted[below])
}

/// A series of latencies in milliseconds.
public struct LatencySummary: Sendable, Equatable {
    public let runs: Int
    public let p50Ms: Double
    public let p90Ms: Double
    public let p99Ms: Double

    public init(_ latenciesMs: [Double]) {
        runs = latenciesMs.count
        p50Ms = quantile(latenciesMs, 0.5)
        p90Ms = quantile(latenciesMs, 0.9)
        p99Ms = quantile(latenciesMs, 0.99)
    }
}
