import EvitKit
import Foundation
import MetricKit

/// Keeps what MetricKit delivers, about once a day, until a benchmark report takes it along. Keeps the latest week.
final class MetricKitArchive: NSObject, MXMetricManagerSubscriber, Sendable {
    private let folder = URL.applicationSupportDirectory.appending(path: "metrickit")

    override init() {
        super.init()
        MXMetricManager.shared.add(self)
    }

    func didReceive(_ payloads: [MXMetricPayload]) {
        try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for payload in payloads {
            let name = "\(Int(payload.timeStampEnd.timeIntervalSince1970)).json"
            try? payload.jsonRepresentation().write(to: folder.appending(path: name))
        }
        for old in files().dropLast(kept) { try? FileManager.default.removeItem(at: old) }
    }

    /// The kept payloads, oldest first; one that cannot be read is left out.
    func payloads() -> [JsonValue] {
        files().compactMap { file in
            (try? Data(contentsOf: file)).flatMap { try? JSONDecoder().decode(JsonValue.self, from: $0) }
        }
    }

    private func files() -> [URL] {
        let found = try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        return (found ?? []).sorted { $0.lastPathComponent < $1.lastPathComponent }
    }
}

private let kept = 7
