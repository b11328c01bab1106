import EvitKit
import Foundation
import MetricKit

/// The phone this runs on.
final class AppleDevice: Device {
    static let shared = AppleDevice()

    let entry = DeviceEntry(model: machine(), system: "iOS \(release())")
    private let metrics = MetricKitArchive()
    private let signposts = MXMetricManager.makeLogHandle(category: "benchmark")

    func thermalState() -> String? {
        switch ProcessInfo.processInfo.thermalState {
        case .nominal: "nominal"
        case .fair: "fair"
        case .serious: "serious"
        case .critical: "critical"
        @unknown default: nil
        }
    }

    func peakMemoryBytes() -> Int? {
        var usage = rusage()
        return getrusage(RUSAGE_SELF, &usage) == 0 ? Int(usage.ru_maxrss) : nil  // bytes on Apple's systems
    }

    func markInference(begins: Bool) { mxSignpost(begins ? .begin : .end, log: signposts, name: "inference") }

    func metricKitPayloads() -> [JsonValue] { metrics.payloads() }

    func decode(_ encoded: Data) throws -> RgbImage { try decodeImage(encoded) }
}

/// Apple's identifier, such as iPhone16,1.
private func machine() -> String {
    var system = utsname()
    uname(&system)
    return withUnsafeBytes(of: &system.machine) { raw in String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self) }
}

/// Such as 18.1.0.
private func release() -> String {
    let version = ProcessInfo.processInfo.operatingSystemVersion
    return "\(version.majorVersion).\(version.minorVersion).\(version.patchVersion)"
}
