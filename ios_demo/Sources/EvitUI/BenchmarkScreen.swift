#if canImport(SwiftUI)
    import EvitKit
    import SwiftUI

    /// Measures every artefact and hands the report on.
    public struct BenchmarkScreen: View {
        private let model: ClassifierModel

        public init(model: ClassifierModel) {
            self.model = model
        }

        public var body: some View {
            VStack(alignment: .leading, spacing: 12) {
                switch model.benchmarkState {
                case .idle:
                    Text("Every artefact runs some 500 times on the compute units that are chosen now. Let the phone cool down first.")
                    Button("Measure") { Task { await model.runBenchmark() } }.buttonStyle(.borderedProminent)
                case .measuring(let share):
                    ProgressView("Measuring: leave the phone alone.", value: share)
                case .done(let report, let lines):
                    ForEach(lines, id: \.self) { Text($0) }
                    ShareLink("Export the report", item: report)
                    Button("Close") { model.closeBenchmark() }
                case .failed(let failure):
                    FailureView(failure: failure, choices: [], selected: nil, onSelect: { _ in })
                    Button("Close") { model.closeBenchmark() }
                }
            }
            .padding()
            .frame(maxWidth: .infinity, maxHeight: .infinity, alignment: .topLeading)
        }
    }
#endif
