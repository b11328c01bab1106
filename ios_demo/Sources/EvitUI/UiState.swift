import EvitKit
import Foundation

/// All that the screen shows of the classifier.
public enum UiState: Sendable, Equatable {
    /// A model is being read, checked and opened.
    case loading

    /// A model is open.
    case running(Running)

    /// Nothing can run; `choices` may be empty, `selected` is the one that failed, where there was one: another may work.
    case failed(Failure, choices: [String], selected: Int?)

    public struct Running: Sendable, Equatable {
        public let model: String
        public let choices: [String]
        public let selected: Int
        public let runsOn: String
        public let precision: String
        public let notices: [String]

        /// Of the latest image; nil until the first.
        public var result: Classification?

        /// Frames that came while another was being classified.
        public var dropped = 0
    }
}

/// All that the screen shows of a benchmark.
public enum BenchmarkState: Sendable, Equatable {
    case idle

    /// The share of the rounds that is done.
    case measuring(Double)

    /// The file of the report, and a line per artefact to read.
    case done(report: URL, lines: [String])

    case failed(Failure)
}
