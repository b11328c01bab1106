@_exported import SwiftUI

public struct PhotosPickerItem: Equatable, Sendable {
    public func loadTransferable<T>(type: T.Type) async throws -> T? { nil }
}
public struct PHPickerFilter: Sendable { public static let images = PHPickerFilter() }
public struct PhotosPicker: Primitive {
    public init(_ title: String, selection: Binding<PhotosPickerItem?>, matching filter: PHPickerFilter?) {}
}
