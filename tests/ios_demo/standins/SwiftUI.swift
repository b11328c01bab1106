@_exported import AVFoundation
@_exported import Observation

// UIKit
@MainActor open class UIView: NSObject {
    open class var layerClass: AnyClass { CALayer.self }
    public var layer: CALayer { CALayer() }
}
public class UIImage: NSObject {
    public init?(data: Data) {}
}

// Views
@MainActor public protocol View {
    associatedtype Body: View
    @ViewBuilder var body: Body { get }
}
extension Never: View { public var body: Never { fatalError() } }
public protocol Primitive: View where Body == Never {}
extension Primitive { public var body: Never { fatalError() } }
public struct EmptyView: Primitive {}
public struct Several: Primitive {}
public enum Either<First: View, Second: View>: Primitive { case first(First), second(Second) }
extension Optional: View where Wrapped: View { public var body: Never { fatalError() } }

@resultBuilder public struct ViewBuilder {
    public static func buildExpression<Content: View>(_ content: Content) -> Content { content }
    public static func buildBlock() -> EmptyView { EmptyView() }
    public static func buildBlock<Content: View>(_ content: Content) -> Content { content }
    public static func buildBlock<each Content: View>(_ content: repeat each Content) -> Several { Several() }
    public static func buildIf<Content: View>(_ content: Content?) -> Content? { content }
    public static func buildEither<First: View, Second: View>(first: First) -> Either<First, Second> { .first(first) }
    public static func buildEither<First: View, Second: View>(second: Second) -> Either<First, Second> { .second(second) }
}

public struct Modified: Primitive {}
public struct Alignment: Sendable { public static let topLeading = Alignment() }
public struct HorizontalAlignment: Sendable { public static let leading = HorizontalAlignment(), center = HorizontalAlignment() }
public struct Edges: OptionSet, Sendable {
    public let rawValue: Int
    public init(rawValue: Int) { self.rawValue = rawValue }
    public static let horizontal = Edges(rawValue: 1), bottom = Edges(rawValue: 2), all = Edges(rawValue: 3)
}
public struct Font: Sendable { public static let headline = Font(), caption = Font(), title2 = Font() }
public struct Color: Sendable { public static let red = Color() }
public protocol PrimitiveButtonStyle {}
public struct AnyStyle: PrimitiveButtonStyle {}
extension PrimitiveButtonStyle where Self == AnyStyle {
    public static var bordered: AnyStyle { AnyStyle() }
    public static var borderedProminent: AnyStyle { AnyStyle() }
}
extension View {
    public func frame(maxWidth: CGFloat? = nil, maxHeight: CGFloat? = nil, alignment: Alignment? = nil) -> some View { Modified() }
    public func padding(_ edges: Edges = .all) -> some View { Modified() }
    public func font(_ font: Font?) -> some View { Modified() }
    public func foregroundStyle(_ color: Color) -> some View { Modified() }
    public func buttonStyle(_ style: some PrimitiveButtonStyle) -> some View { Modified() }
    public func tabItem(@ViewBuilder _ label: () -> some View) -> some View { Modified() }
    public func task(@_inheritActorContext _ action: @escaping @Sendable () async -> Void) -> some View { Modified() }
    public func onChange<Value: Equatable>(of value: Value, _ action: @escaping (Value, Value) -> Void) -> some View { Modified() }
    public func onDisappear(perform action: (() -> Void)? = nil) -> some View { Modified() }
    public func scaledToFit() -> some View { Modified() }
}

public struct Text: Primitive {
    public init(_ content: some StringProtocol) {}
    public init<Style: FormatStyle>(_ input: Style.FormatInput, format: Style) where Style.FormatOutput == String {}
}
public struct Image: Primitive {
    public init(uiImage: UIImage) {}
    public func resizable() -> Image { self }
}
public struct Label: Primitive { public init(_ title: String, systemImage: String) {} }
public struct Spacer: Primitive { public init() {} }
public struct VStack: Primitive {
    public init(alignment: HorizontalAlignment = .center, spacing: CGFloat? = nil, @ViewBuilder content: () -> some View) {}
}
public struct HStack: Primitive { public init(@ViewBuilder content: () -> some View) {} }
public struct ScrollView: Primitive { public init(@ViewBuilder content: () -> some View) {} }
public struct TabView: Primitive { public init(@ViewBuilder content: () -> some View) {} }
public struct ForEach: Primitive {
    public init<Data: RandomAccessCollection, ID: Hashable>(
        _ data: Data, id: KeyPath<Data.Element, ID>, @ViewBuilder content: @escaping (Data.Element) -> some View
    ) {}
}
public struct Button: Primitive { public init(_ title: String, action: @escaping @MainActor () -> Void) {} }
public struct Menu: Primitive { public init(@ViewBuilder content: () -> some View, @ViewBuilder label: () -> some View) {} }
public struct ShareLink: Primitive { public init(_ title: String, item: URL) {} }
public struct ProgressView: Primitive {
    public init() {}
    public init(_ title: String, value: Double?) {}
    public init(value: Double?, @ViewBuilder label: () -> some View) {}
}

@MainActor public protocol UIViewRepresentable: View where Body == Never {
    associatedtype UIViewType: UIView
    typealias Context = UIViewRepresentableContext
    func makeUIView(context: Context) -> UIViewType
    func updateUIView(_ view: UIViewType, context: Context)
}
extension UIViewRepresentable { public var body: Never { fatalError() } }
public struct UIViewRepresentableContext {}

@propertyWrapper public struct State<Value> {
    public init(wrappedValue: Value) { }
    public var wrappedValue: Value {
        get { fatalError() }
        nonmutating set {}
    }
    public var projectedValue: Binding<Value> { Binding() }
}
extension State where Value: ExpressibleByNilLiteral { public init() { self.init(wrappedValue: nil) } }
public struct Binding<Value> {}

// App
@MainActor public protocol Scene {}
public struct WindowGroup: Scene { public init(@ViewBuilder content: () -> some View) {} }
@MainActor public protocol App {
    associatedtype Body: Scene
    init()
    var body: Body { get }
}
extension App { public static func main() {} }
