import EvitKit
import Foundation

/// The machine that the tests run on, which is no iPhone.
public struct TestDevice: Device {
    public let entry = DeviceEntry(model: "Test, no iPhone", system: "Linux")

    public init() {}

    public func thermalState() -> String? { "nominal" }

    public func peakMemoryBytes() -> Int? { nil }

    public func markInference(begins: Bool) {}

    public func metricKitPayloads() -> [JsonValue] { [.object(["appVersion": .string("1")])] }

    public func decode(_ encoded: Data) throws -> RgbImage { try decodePng(encoded) }
}
