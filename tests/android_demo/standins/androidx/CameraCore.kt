@file:Suppress("UNUSED_PARAMETER")

package androidx.camera.core

import java.nio.ByteBuffer
import java.util.concurrent.Executor

class CameraSelector private constructor() {
    companion object {
        @JvmField
        val DEFAULT_BACK_CAMERA = CameraSelector()
    }
}

interface ImageInfo {
    val rotationDegrees: Int
}

interface ImageProxy : AutoCloseable {
    interface PlaneProxy {
        val rowStride: Int
        val buffer: ByteBuffer
    }

    val width: Int
    val height: Int
    val planes: Array<PlaneProxy>
    val imageInfo: ImageInfo
}

abstract class UseCase

class ImageAnalysis private constructor() : UseCase() {
    fun interface Analyzer {
        fun analyze(image: ImageProxy)
    }

    class Builder {
        fun setBackpressureStrategy(strategy: Int): Builder = TODO()

        fun setOutputImageFormat(format: Int): Builder = TODO()

        fun build(): ImageAnalysis = TODO()
    }

    fun setAnalyzer(executor: Executor, analyzer: Analyzer): Unit = TODO()

    companion object {
        const val STRATEGY_KEEP_ONLY_LATEST = 0
        const val OUTPUT_IMAGE_FORMAT_RGBA_8888 = 2
    }
}

class Preview private constructor() : UseCase() {
    interface SurfaceProvider

    class Builder {
        fun build(): Preview = TODO()
    }

    fun setSurfaceProvider(provider: SurfaceProvider?): Unit = TODO()
}
