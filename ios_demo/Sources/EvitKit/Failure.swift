/// Everything that goes wrong with a model folder, in the words a user can act on: what was found, what is allowed, what to do.
/// The only error that the app shows; anything else is a bug.
public struct Failure: Error, Equatable, CustomStringConvertible {
    public let got: String
    public let allowed: String
    public let advice: String

    public init(got: String, allowed: String, advice: String = "run evit-mobile export-app ios --from DIR again") {
        self.got = got
        self.allowed = allowed
        self.advice = advice
    }

    public var description: String { "Got \(got); allowed: \(allowed); \(advice)." }
}

/// Throws `Failure` unless `good`.
func demand(_ good: Bool, _ failure: @autoclosure () -> Failure) throws {
    if !good { throw failure() }
}
