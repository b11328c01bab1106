import Foundation

/// What the benchmark writes and `evit-mobile profile --on ios-report:FILE` reads (docs/profile.md, "App report").
public struct BenchmarkReport: Codable, Sendable {
    public private(set) var schema = 1
    public let device: DeviceEntry
    public let artefacts: [MeasuredEntry]

    /// MetricKit's payloads of the days before, as the system gives them (JSON), with the signposts of its inferences.
    public let metrickit: [JsonValue]

    public init(device: DeviceEntry, artefacts: [MeasuredEntry], metrickit: [JsonValue] = []) {
        (self.device, self.artefacts, self.metrickit) = (device, artefacts, metrickit)
    }

    public func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }
}

/// `model` is Apple's identifier such as iPhone16,1, `system` the release.
public struct DeviceEntry: Codable, Sendable, Equatable {
    public let model: String
    public let system: String

    public init(model: String, system: String) {
        (self.model, self.system) = (model, system)
    }
}

/// One artefact's series, in milliseconds and in order; memory is the process's peak.
public struct MeasuredEntry: Codable, Sendable {
    public let name: String
    public let sha256: String
    public let runtime: String
    public let computeUnits: String
    public let loadMs: Double
    public let firstRunMs: Double
    public let latenciesMs: [Double]
    public let thermalBefore: String?
    public let thermalAfter: String?
    public let peakMemoryBytes: Int?
    public let golden: GoldenCheck?

    /// Written also where they are null: readers ask for them.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(name, forKey: .name)
        try container.encode(sha256, forKey: .sha256)
        try container.encode(runtime, forKey: .runtime)
        try container.encode(computeUnits, forKey: .computeUnits)
        try container.encode(loadMs, forKey: .loadMs)
        try container.encode(firstRunMs, forKey: .firstRunMs)
        try container.encode(latenciesMs, forKey: .latenciesMs)
        try container.encode(thermalBefore, forKey: .thermalBefore)
        try container.encode(thermalAfter, forKey: .thermalAfter)
        try container.encode(peakMemoryBytes, forKey: .peakMemoryBytes)
        try container.encode(golden, forKey: .golden)
    }
}
