import EvitKit
import EvitUI
import PhotosUI
import SwiftUI

/// Photo, camera and benchmark.
struct ContentView: View {
    let model: ClassifierModel

    var body: some View {
        TabView {
            PhotoTab(model: model).tabItem { Label("Photo", systemImage: "photo") }
            CameraTab(model: model).tabItem { Label("Camera", systemImage: "camera") }
            BenchmarkScreen(model: model).tabItem { Label("Benchmark", systemImage: "speedometer") }
        }
    }
}

private struct PhotoTab: View {
    let model: ClassifierModel
    @State private var item: PhotosPickerItem?
    @State private var photo: Image?

    var body: some View {
        VStack {
            ClassifierScreen(state: model.state, onSelect: select) {
                if let photo { photo.resizable().scaledToFit() }
            }
            PhotosPicker("Choose a photo", selection: $item, matching: .images).padding(.bottom)
        }
        .onChange(of: item) { _, chosen in
            if let chosen { Task { await classify(chosen) } }
        }
    }

    private func select(_ position: Int) {
        Task {
            await model.select(position)
            if let item { await classify(item) }
        }
    }

    private func classify(_ chosen: PhotosPickerItem) async {
        do {
            guard let data = try await chosen.loadTransferable(type: Data.self) else { throw unreadablePhoto }
            let image = try await Task.detached { try decodeImage(data) }.value
            photo = UIImage(data: data).map { Image(uiImage: $0) }
            await model.classify(image)
        } catch let failure as Failure {
            model.show(failure)
        } catch {
            model.show(unreadablePhoto)
        }
    }
}

private struct CameraTab: View {
    let model: ClassifierModel
    @State private var camera: Camera?
    @State private var refused = false

    var body: some View {
        ClassifierScreen(state: model.state, onSelect: { position in Task { await model.select(position) } }) {
            if let camera {
                CameraPreview(camera: camera)
            } else if refused {
                Text("There is no camera, or the app may not use it. Allow it in the system's settings.").padding()
            }
        }
        .task {
            let opened = await Camera.open { [model] read in model.onFrame(read) }
            (camera, refused) = (opened, opened == nil)
            opened?.start()
        }
        .onDisappear {
            camera?.stop()
            camera = nil
        }
    }
}

private let unreadablePhoto = Failure(got: "a photo that cannot be read", allowed: "an image", advice: "choose another one")
