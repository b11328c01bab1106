@_exported import CoreVideo

public enum MLComputeUnits: Sendable { case all, cpuOnly, cpuAndGPU, cpuAndNeuralEngine }
public class MLModelConfiguration: NSObject {
    public var computeUnits = MLComputeUnits.all
}
public protocol MLShapedArrayScalar {}
extension Float: MLShapedArrayScalar {}
public struct MLShapedArray<Scalar: MLShapedArrayScalar> {
    public init(converting multiArray: MLMultiArray) {}
    public init(scalars: some Sequence<Scalar>, shape: [Int]) {}
    public var scalars: [Scalar] { [] }
}
public class MLMultiArray: NSObject {
    public init<Scalar: MLShapedArrayScalar>(_ shapedArray: MLShapedArray<Scalar>) {}
}
public class MLFeatureValue: NSObject {
    public init(multiArray value: MLMultiArray) {}
    public init(pixelBuffer value: CVPixelBuffer) {}
    public var multiArrayValue: MLMultiArray? { nil }
}
public protocol MLFeatureProvider: AnyObject {
    func featureValue(for featureName: String) -> MLFeatureValue?
}
public class MLDictionaryFeatureProvider: NSObject, MLFeatureProvider {
    public init(dictionary: [String: Any]) throws {}
    public func featureValue(for featureName: String) -> MLFeatureValue? { nil }
}
public class MLModel: NSObject {
    public class func compileModel(at url: URL) async throws -> URL { url }
    public class func load(contentsOf url: URL, configuration: MLModelConfiguration) async throws -> MLModel { MLModel() }
    public func prediction(from input: any MLFeatureProvider) throws -> any MLFeatureProvider { fatalError() }
}
