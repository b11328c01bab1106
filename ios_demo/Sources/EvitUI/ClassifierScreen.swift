#if canImport(SwiftUI)
    import EvitKit
    import SwiftUI

    /// What runs, what it says, and what else could run. `preview` shows the picture or what the camera sees.
    public struct ClassifierScreen<Preview: View>: View {
        private let state: UiState
        private let onSelect: (Int) -> Void
        private let preview: Preview

        public init(state: UiState, onSelect: @escaping (Int) -> Void, @ViewBuilder preview: () -> Preview) {
            (self.state, self.onSelect, self.preview) = (state, onSelect, preview())
        }

        public var body: some View {
            switch state {
            case .loading:
                ProgressView().frame(maxWidth: .infinity, maxHeight: .infinity)
            case .running(let running):
                VStack(alignment: .leading, spacing: 8) {
                    preview.frame(maxWidth: .infinity, maxHeight: .infinity)
                    RunningView(running: running, onSelect: onSelect).padding(.horizontal)
                }
            case .failed(let failure, let choices, let selected):
                FailureView(failure: failure, choices: choices, selected: selected, onSelect: onSelect)
            }
        }
    }

    struct RunningView: View {
        let running: UiState.Running
        let onSelect: (Int) -> Void

        var body: some View {
            VStack(alignment: .leading, spacing: 8) {
                Text(running.model).font(.headline)
                Text("\(running.runsOn), \(running.precision)").font(.caption)
                ForEach(running.notices, id: \.self) { Text($0).font(.caption).foregroundStyle(.red) }
                if let result = running.result {
                    ResultView(result: result, dropped: running.dropped)
                } else {
                    Text("Choose a photo, or point the camera at something.")
                }
                ChoiceMenu(choices: running.choices, selected: running.selected, onSelect: onSelect)
            }
        }
    }

    struct ResultView: View {
        let result: Classification
        let dropped: Int

        var body: some View {
            VStack(alignment: .leading, spacing: 4) {
                ForEach(Array(result.predictions.enumerated()), id: \.offset) { _, prediction in
                    ProgressView(value: prediction.probability) {
                        HStack {
                            Text(prediction.label)
                            Spacer()
                            Text(prediction.probability, format: .percent.precision(.fractionLength(1)))
                        }
                    }
                }
                Text("\(told(result.preprocessMs)) to prepare, \(told(result.inferenceMs)) to infer, \(dropped) frames dropped")
                    .font(.caption)
            }
        }
    }

    /// Which artefact runs where.
    struct ChoiceMenu: View {
        let choices: [String]
        let selected: Int?
        let onSelect: (Int) -> Void

        var body: some View {
            Menu {
                ForEach(Array(choices.enumerated()), id: \.offset) { position, title in
                    Button(title) { onSelect(position) }
                }
            } label: {
                Text(selected.map { choices[$0] } ?? "Choose").frame(maxWidth: .infinity)
            }
            .buttonStyle(.bordered)
        }
    }

    /// What went wrong, in words, and a way on where there is one.
    struct FailureView: View {
        let failure: Failure
        let choices: [String]
        let selected: Int?
        let onSelect: (Int) -> Void

        var body: some View {
            ScrollView {
                VStack(alignment: .leading, spacing: 12) {
                    Text("This cannot run").font(.title2)
                    Text("Found: \(failure.got)")
                    Text("Allowed: \(failure.allowed)")
                    Text("What to do: \(failure.advice)")
                    if !choices.isEmpty { ChoiceMenu(choices: choices, selected: selected, onSelect: onSelect) }
                }
                .padding()
            }
        }
    }
#endif
