import EvitCoreML
import EvitKit
import EvitUI
import SwiftUI

@main
struct EvitDemoApp: App {
    @State private var model = ClassifierModel(device: AppleDevice.shared, openFolder: openModelFolder)

    var body: some Scene {
        WindowGroup {
            ContentView(model: model).task { await model.start() }
        }
    }
}

/// The folder that `evit-mobile export-app ios` fills, in the app's bundle. Throws `Failure`.
private func openModelFolder() throws -> ModelFolder {
    guard let resources = Bundle.main.resourceURL else { preconditionFailure("an app has resources") }
    var runtimes: [any EvitKit.Runtime] = [CoreMLRuntime()]
    #if canImport(CoreAI)
        if #available(iOS 27.0, *) { runtimes.append(CoreAIRuntime()) }
    #endif
    #if canImport(ExecuTorch)
        runtimes += [ExecuTorchRuntime.xnnpack, ExecuTorchRuntime.coreML]
    #endif
    return try ModelFolder(ModelFiles(folder: resources.appendingPathComponent("Model")), runtimes: runtimes)
}
