@_exported import Foundation

public struct Error: Swift.Error {}
public protocol Scalar {}
extension Float: Scalar {}
extension UInt8: Scalar {}
public class Value: NSObject {}
public final class Tensor<T: Scalar> {
    public init(_ scalars: [T], shape: [Int]) {}
    public init(_ values: [Value]) throws {}
    public func scalars() -> [T] { [] }
}
public class Module: NSObject {
    public init(filePath: String) {}
    public func load(_ method: String) throws {}
    public func forward<T: Scalar>(_ input: Tensor<T>) throws -> [Value] { [] }
}
