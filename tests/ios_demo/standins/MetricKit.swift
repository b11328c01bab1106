@_exported import Foundation

public final class OSLog: NSObject, Sendable {}
public struct OSSignpostType: Sendable {
    public static let begin = OSSignpostType()
    public static let end = OSSignpostType()
}
public func mxSignpost(_ type: OSSignpostType, log: OSLog, name: StaticString) {}

public class MXMetricPayload: NSObject {
    public var timeStampEnd: Date { Date() }
    public func jsonRepresentation() -> Data { Data() }
}
public protocol MXMetricManagerSubscriber: NSObjectProtocol {
    func didReceive(_ payloads: [MXMetricPayload])
}
public class MXMetricManager: NSObject {
    public class var shared: MXMetricManager { MXMetricManager() }
    public class func makeLogHandle(category: String) -> OSLog { OSLog() }
    public func add(_ subscriber: any MXMetricManagerSubscriber) {}
}
