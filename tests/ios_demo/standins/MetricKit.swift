@_exported import Foundation

public class MXMetricPayload: NSObject {
    public var timeStampEnd: Date { Date() }
    public func jsonRepresentation() -> Data { Data() }
}
public protocol MXMetricManagerSubscriber: NSObjectProtocol {
    func didReceive(_ payloads: [MXMetricPayload])
}
public class MXMetricManager: NSObject {
    public class var shared: MXMetricManager { MXMetricManager() }
    public func add(_ subscriber: any MXMetricManagerSubscriber) {}
}
