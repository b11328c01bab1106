import AVFoundation
import EvitKit
import SwiftUI

/// The back camera. Frames come upright for a phone that is held upright, one at a time on a queue of the camera's own; late ones are
/// discarded by AVFoundation, and those that come while another is being classified by whoever gets them.
final class Camera: NSObject, AVCaptureVideoDataOutputSampleBufferDelegate, @unchecked Sendable {  // the session is used on `queue` only
    /// Takes a frame, or drops it without calling the function that makes an image of it.
    typealias OnFrame = @Sendable (() -> RgbImage) -> Void

    let session = AVCaptureSession()
    private let queue = DispatchQueue(label: "org.evitmobile.camera")
    private let onFrame: OnFrame

    /// nil where there is no camera, or where the user does not allow it.
    static func open(_ onFrame: @escaping OnFrame) async -> Camera? {
        guard await AVCaptureDevice.requestAccess(for: .video) else { return nil }
        return Camera(onFrame)
    }

    private init?(_ onFrame: @escaping OnFrame) {
        self.onFrame = onFrame
        super.init()
        let output = AVCaptureVideoDataOutput()
        guard let device = AVCaptureDevice.default(.builtInWideAngleCamera, for: .video, position: .back),
            let input = try? AVCaptureDeviceInput(device: device), session.canAddInput(input), session.canAddOutput(output)
        else { return nil }
        output.videoSettings = [kCVPixelBufferPixelFormatTypeKey as String: kCVPixelFormatType_32BGRA]
        output.alwaysDiscardsLateVideoFrames = true
        output.setSampleBufferDelegate(self, queue: queue)
        session.addInput(input)
        session.addOutput(output)
        if let connection = output.connection(with: .video), connection.isVideoRotationAngleSupported(upright) {
            connection.videoRotationAngle = upright
        }
    }

    func start() { queue.async { self.session.startRunning() } }

    func stop() { queue.async { self.session.stopRunning() } }

    func captureOutput(_ output: AVCaptureOutput, didOutput sampleBuffer: CMSampleBuffer, from connection: AVCaptureConnection) {
        guard let buffer = CMSampleBufferGetImageBuffer(sampleBuffer) else { return }
        onFrame { image(buffer) }
    }
}

/// A frame in BGRA as an image.
private func image(_ buffer: CVPixelBuffer) -> RgbImage {
    CVPixelBufferLockBaseAddress(buffer, .readOnly)
    defer { CVPixelBufferUnlockBaseAddress(buffer, .readOnly) }
    let (height, width) = (CVPixelBufferGetHeight(buffer), CVPixelBufferGetWidth(buffer))
    let rowBytes = CVPixelBufferGetBytesPerRow(buffer)
    let bytes = UnsafeRawBufferPointer(start: CVPixelBufferGetBaseAddress(buffer), count: height * rowBytes)
    return RgbImage(height: height, width: width, rowBytes: rowBytes, order: .bgra, bytes: bytes)
}

/// Degrees that turn the sensor's frames upright on a phone held upright, which is the only way this app is held (project.yml).
private let upright: CGFloat = 90

struct CameraPreview: UIViewRepresentable {
    let camera: Camera

    func makeUIView(context: Context) -> PreviewView {
        let view = PreviewView()
        view.previewLayer.session = camera.session
        view.previewLayer.videoGravity = .resizeAspect
        return view
    }

    func updateUIView(_ view: PreviewView, context: Context) {}

    final class PreviewView: UIView {
        override static var layerClass: AnyClass { AVCaptureVideoPreviewLayer.self }

        var previewLayer: AVCaptureVideoPreviewLayer {
            guard let previewLayer = layer as? AVCaptureVideoPreviewLayer else { preconditionFailure("layerClass says so") }
            return previewLayer
        }
    }
}
