@_exported import Foundation

@available(iOS 27.0, macOS 27.0, *)
public struct AIModel: Sendable {
    public init(contentsOf url: URL) async throws {}
    public var functionNames: [String] { [] }
    public func loadFunction(named functionName: String) throws -> InferenceFunction? { nil }
}
@available(iOS 27.0, macOS 27.0, *)
public struct InferenceFunction: Sendable {
    public struct Outputs {
        public mutating func remove(_ outputName: String) -> InferenceValue? { nil }
    }
    public func run(inputs: [String: NDArray]) async throws -> Outputs { Outputs() }
}
@available(iOS 27.0, macOS 27.0, *)
public struct InferenceValue {
    public var ndArray: NDArray? { nil }
}
@available(iOS 27.0, macOS 27.0, *)
public struct NDArray: Sendable {
    public struct View<Scalar: BitwiseCopyable> {
        public func withUnsafePointer<Result>(_ body: (UnsafePointer<Scalar>, [Int], [Int]) throws -> Result) rethrows -> Result {
            fatalError()
        }
    }
    public init<Scalar: BitwiseCopyable>(scalars: some Sequence<Scalar>, shape: [Int]) {}
    public func view<T: BitwiseCopyable>(as type: T.Type) -> View<T> { View() }
}
