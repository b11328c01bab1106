// A stand-in of ours for the part of ONNX Runtime's Java API that android_demo uses (java/src/main/java/ai/onnxruntime,
// microsoft/onnxruntime), for types only: every session says that there is nothing here to run it.
package ai.onnxruntime

import java.nio.ByteBuffer
import java.nio.FloatBuffer

class OrtException(message: String) : Exception(message)

enum class OnnxJavaType { FLOAT, INT8, UINT8 }

interface OnnxValue : AutoCloseable {
    override fun close()
}

class OnnxTensor private constructor(val floatBuffer: FloatBuffer, val byteBuffer: ByteBuffer) : OnnxValue {
    override fun close() = Unit

    @Suppress("UNUSED_PARAMETER")
    companion object {
        fun createTensor(environment: OrtEnvironment, data: FloatBuffer, shape: LongArray) = OnnxTensor(data, ByteBuffer.allocate(0))

        fun createTensor(environment: OrtEnvironment, data: ByteBuffer, shape: LongArray, type: OnnxJavaType) =
            OnnxTensor(FloatBuffer.allocate(0), data)
    }
}

@Suppress("UNUSED_PARAMETER")
class OrtEnvironment private constructor() {
    fun createSession(path: String, options: OrtSession.SessionOptions): OrtSession = throw OrtException("a stand-in that runs nothing")

    companion object {
        private val environment = OrtEnvironment()

        fun getEnvironment(): OrtEnvironment = environment
    }
}

@Suppress("UNUSED_PARAMETER")
class OrtSession private constructor() : AutoCloseable {
    fun run(inputs: Map<String, OnnxTensor>): Result = throw OrtException("a stand-in that runs nothing")

    override fun close() = Unit

    class Result private constructor(private val values: List<OnnxValue>) : AutoCloseable {
        fun get(index: Int): OnnxValue = values[index]

        override fun close() = Unit
    }

    class SessionOptions : AutoCloseable {
        fun setIntraOpNumThreads(threads: Int) = Unit

        fun addConfigEntry(key: String, value: String) = Unit

        fun addQnn(options: Map<String, String>) = Unit

        override fun close() = Unit
    }
}
