@_exported import Foundation

public typealias CFData = Data
public typealias CFString = String
public typealias CFDictionary = NSDictionary

public final class CFAllocator {}
nonisolated(unsafe) public let kCFAllocatorDefault: CFAllocator? = nil

public final class CGColorSpace {
    public enum Model { case rgb, monochrome }
    public static let sRGB: CFString = ""
    public init?(name: CFString) {}
    public var model: Model { .rgb }
}
public func CGColorSpaceCreateDeviceRGB() -> CGColorSpace { fatalError() }

public final class CGImage {
    public var width: Int { 0 }
    public var height: Int { 0 }
    public var colorSpace: CGColorSpace? { nil }
}
public enum CGImageAlphaInfo: UInt32 { case noneSkipLast }
public enum CGInterpolationQuality { case none }

public final class CGContext {
    public init?(
        data: UnsafeMutableRawPointer?, width: Int, height: Int, bitsPerComponent: Int, bytesPerRow: Int, space: CGColorSpace,
        bitmapInfo: UInt32
    ) {}
    public var interpolationQuality: CGInterpolationQuality = .none
    public var data: UnsafeMutableRawPointer? { nil }
    public var bytesPerRow: Int { 0 }
    public func draw(_ image: CGImage, in rect: CGRect) {}
}
