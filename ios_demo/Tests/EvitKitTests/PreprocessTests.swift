import EvitKit
import EvitTesting
import Foundation
import Testing

@Suite struct PreprocessTests {
    @Test("Golden images become Python's tensors", arguments: ["m0", "b0", "five", "photo"])
    func goldenImages(name: String) throws { try assertSameTensors(Fixtures.model(name), images: 32) }

    @Test("Every filter and resize on awkward sizes", arguments: Interpolation.allCases, ResizeMode.allCases)
    func awkwardSizes(interpolation: Interpolation, resize: ResizeMode) throws {
        try assertSameTensors(Fixtures.folder.appendingPathComponent("cases/\(resize)-\(interpolation)"), images: 7)
    }

    @Test("A planted error of one mean is seen")
    func plantedError() throws {
        let golden = try openGolden(Fixtures.model("m0"))
        var input = golden.bundle.input
        input.mean[0] += 0.015
        let item = try #require(golden.bundle.images.first)
        let tensor = try Preprocess(input)(try decodePng(try golden.encoded(item)))
        #expect(maxAbsError(tensor, try golden.tensor(item)) > 1e-2)
    }

    @Test("A strip that would become huge is refused")
    func hugeStrip() async throws {
        let input = try openGolden(Fixtures.folder.appendingPathComponent("cases/cover-bicubic")).bundle.input
        let strip = RgbImage(height: 20_000, width: 1, pixels: Array(repeating: 0, count: 60_000))
        let found = try await failure { _ = try Preprocess(input)(strip) }
        #expect(found.got.contains("1x20000"))
    }

    /// An image as Pillow wrote it.
    private struct Stored: Decodable {
        let height: Int
        let width: Int
        let pixels: [UInt8]

        var image: RgbImage { RgbImage(height: height, width: width, pixels: pixels) }
    }

    @Test("Photos are turned as Pillow turns them")
    func orientations() throws {
        let data = try Data(contentsOf: Fixtures.folder.appendingPathComponent("turned.json"))
        let images = try JSONDecoder().decode([Stored].self, from: data).map(\.image)
        #expect((1...8).map { images[0].upright(exifOrientation: $0) } == Array(images.dropFirst()))
        #expect(images[0].upright(exifOrientation: 9) == images[0])
    }

    @Test("Buffers of four bytes a pixel become RGB")
    func buffers() {
        let bytes: [UInt8] = [1, 2, 3, 255, 4, 5, 6, 255, 0, 0, 0, 0, 7, 8, 9, 255, 10, 11, 12, 255, 0, 0, 0, 0]
        bytes.withUnsafeBytes { raw in
            let rgba = RgbImage(height: 2, width: 2, rowBytes: 12, order: .rgba, bytes: raw)
            #expect(rgba.pixels == Array(1...12))
            let bgra = RgbImage(height: 2, width: 2, rowBytes: 12, order: .bgra, bytes: raw)
            #expect(bgra.pixels == [3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10])
        }
    }
}

private func assertSameTensors(_ folder: URL, images: Int) throws {
    let golden = try openGolden(folder)
    let preprocess = Preprocess(golden.bundle.input)
    #expect(golden.bundle.images.count == images)
    let errors = try golden.bundle.images.map { maxAbsError(try preprocess(try decodePng(try golden.encoded($0))), try golden.tensor($0)) }
    print("\(folder.lastPathComponent): max abs error \(errors.max() ?? .nan) over \(images) images")
    #expect(errors.allSatisfy { $0 <= 1e-5 })
}
