// A stand-in of ours for the part of LiteRT's Kotlin API that android_demo uses (litert/kotlin/src/main, google-ai-edge/LiteRT@f674577),
// written on LiteRT's C API through JNA. On Android the app links the real one, which calls the same C functions through JNI.
package com.google.ai.edge.litert

import com.sun.jna.Library
import com.sun.jna.Memory
import com.sun.jna.Native
import com.sun.jna.Pointer
import com.sun.jna.ptr.PointerByReference

/** `value` is the Kotlin API's; the C API has one bit each. */
enum class Accelerator(val value: Int) {
    NONE(0),
    CPU(1),
    GPU(2),
    NPU(3),
    ;

    internal val bit: Int get() = if (this == NONE) 0 else 1 shl (value - 1)
}

class LiteRtException(code: Int, message: String) : Exception("$message (status $code)")

/** The functions of libLiteRt.so. All return a status, 0 for success; `size_t` is Long. */
@Suppress("FunctionName")
internal interface LiteRt : Library {
    fun LiteRtCreateEnvironment(count: Int, options: Pointer?, environment: PointerByReference): Int

    fun LiteRtDestroyEnvironment(environment: Pointer)

    fun LiteRtCreateModelFromFile(environment: Pointer, path: String, model: PointerByReference): Int

    fun LiteRtDestroyModel(model: Pointer)

    fun LiteRtCreateOptions(options: PointerByReference): Int

    fun LiteRtSetOptionsHardwareAccelerators(options: Pointer, accelerators: Int): Int

    fun LiteRtDestroyOptions(options: Pointer)

    fun LiteRtCreateCompiledModel(environment: Pointer, model: Pointer, options: Pointer, compiled: PointerByReference): Int

    fun LiteRtDestroyCompiledModel(compiled: Pointer)

    fun LiteRtGetModelSignature(model: Pointer, index: Long, signature: PointerByReference): Int

    fun LiteRtGetSignatureInputTensorByIndex(signature: Pointer, index: Long, tensor: PointerByReference): Int

    fun LiteRtGetSignatureOutputTensorByIndex(signature: Pointer, index: Long, tensor: PointerByReference): Int

    fun LiteRtGetRankedTensorType(tensor: Pointer, type: Pointer): Int

    fun LiteRtGetCompiledModelInputBufferRequirements(compiled: Pointer, signature: Long, index: Long, needs: PointerByReference): Int

    fun LiteRtGetCompiledModelOutputBufferRequirements(compiled: Pointer, signature: Long, index: Long, needs: PointerByReference): Int

    fun LiteRtCreateManagedTensorBufferFromRequirements(environment: Pointer, type: Pointer, needs: Pointer, buffer: PointerByReference): Int

    fun LiteRtGetTensorBufferPackedSize(buffer: Pointer, size: PointerByReference): Int

    fun LiteRtLockTensorBuffer(buffer: Pointer, address: PointerByReference, mode: Int): Int

    fun LiteRtUnlockTensorBuffer(buffer: Pointer): Int

    fun LiteRtDestroyTensorBuffer(buffer: Pointer)

    fun LiteRtRunCompiledModel(compiled: Pointer, signature: Long, inputs: Long, input: Array<Pointer>, outputs: Long, output: Array<Pointer>): Int
}

internal val library: LiteRt by lazy { Native.load(System.getProperty("evitmobile.litert"), LiteRt::class.java) }

internal fun check(status: Int, what: String) {
    if (status != 0) throw LiteRtException(status, "Failed to $what.")
}

internal inline fun create(what: String, call: (PointerByReference) -> Int): Pointer {
    val reference = PointerByReference()
    check(call(reference), what)
    return reference.value
}

/** Options are texts; [Option.value] is the C API's tag. */
class Environment private constructor(internal val pointer: Pointer) : AutoCloseable {
    enum class Option(val value: Int) {
        CompilerPluginLibraryDir(0),
        DispatchLibraryDir(1),
    }

    override fun close() = library.LiteRtDestroyEnvironment(pointer)

    companion object {
        /** The options are not handed on: this machine's library has no NPU to find. */
        @Suppress("UNUSED_PARAMETER")
        fun create(options: Map<Option, String> = mapOf()): Environment =
            Environment(create("create an environment") { library.LiteRtCreateEnvironment(0, null, it) })
    }
}

class TensorBuffer internal constructor(private val handle: Pointer) : AutoCloseable {
    fun writeFloat(data: FloatArray) = locked(WRITE) { address, bytes ->
        if (bytes != data.size * 4L) throw LiteRtException(1, "${data.size} floats for $bytes bytes")
        address.write(0, data, 0, data.size)
    }

    fun writeInt8(data: ByteArray) = locked(WRITE) { address, bytes ->
        if (bytes != data.size.toLong()) throw LiteRtException(1, "${data.size} bytes for $bytes")
        address.write(0, data, 0, data.size)
    }

    fun readFloat(): FloatArray = locked(READ) { address, bytes -> address.getFloatArray(0, (bytes / 4).toInt()) }

    fun readInt8(): ByteArray = locked(READ) { address, bytes -> address.getByteArray(0, bytes.toInt()) }

    override fun close() = library.LiteRtDestroyTensorBuffer(handle)

    internal val pointer: Pointer get() = handle

    private fun <T> locked(mode: Int, body: (Pointer, Long) -> T): T {
        val bytes = Pointer.nativeValue(create("measure a buffer") { library.LiteRtGetTensorBufferPackedSize(handle, it) })
        val address = create("lock a buffer") { library.LiteRtLockTensorBuffer(handle, it, mode) }
        try {
            return body(address, bytes)
        } finally {
            check(library.LiteRtUnlockTensorBuffer(handle), "unlock a buffer")
        }
    }

    private companion object {
        const val READ = 0
        const val WRITE = 1
    }
}

class CompiledModel private constructor(
    private val environment: Pointer,
    private val managed: Boolean,
    private val model: Pointer,
    private val handle: Pointer,
) : AutoCloseable {
    /** [numThreads] has no C function of its own; LiteRT's default is one thread. */
    data class CpuOptions(val numThreads: Int? = null)

    class Options(vararg accelerators: Accelerator) {
        internal val bits = accelerators.fold(0) { bits, accelerator -> bits or accelerator.bit }
        var cpuOptions: CpuOptions? = null
    }

    fun createInputBuffers(): List<TensorBuffer> =
        listOf(
            buffer(
                { library.LiteRtGetSignatureInputTensorByIndex(signature(), 0, it) },
                { library.LiteRtGetCompiledModelInputBufferRequirements(handle, 0, 0, it) },
            ),
        )

    fun createOutputBuffers(): List<TensorBuffer> =
        listOf(
            buffer(
                { library.LiteRtGetSignatureOutputTensorByIndex(signature(), 0, it) },
                { library.LiteRtGetCompiledModelOutputBufferRequirements(handle, 0, 0, it) },
            ),
        )

    fun run(inputs: List<TensorBuffer>, outputs: List<TensorBuffer>) {
        val (input, output) = listOf(inputs, outputs).map { buffers -> buffers.map { it.pointer }.toTypedArray() }
        check(library.LiteRtRunCompiledModel(handle, 0, input.size.toLong(), input, output.size.toLong(), output), "run the model")
    }

    override fun close() {
        closed++
        library.LiteRtDestroyCompiledModel(handle)
        library.LiteRtDestroyModel(model)
        if (managed) library.LiteRtDestroyEnvironment(environment)
    }

    private fun signature() = create("find the signature") { library.LiteRtGetModelSignature(model, 0, it) }

    private fun buffer(tensor: (PointerByReference) -> Int, needs: (PointerByReference) -> Int): TensorBuffer {
        val type = Memory(TENSOR_TYPE_BYTES)
        check(library.LiteRtGetRankedTensorType(create("find a tensor", tensor), type), "read a tensor's type")
        val requirements = create("ask for a buffer's needs", needs)
        return TensorBuffer(
            create("create a buffer") { library.LiteRtCreateManagedTensorBufferFromRequirements(environment, type, requirements, it) },
        )
    }

    companion object {
        /** How many models were closed; not LiteRT's: tests count with it. */
        var closed = 0
            private set

        fun create(filePath: String, options: Options, optionalEnv: Environment? = null): CompiledModel {
            val environment = optionalEnv?.pointer ?: create("create an environment") { library.LiteRtCreateEnvironment(0, null, it) }
            val managed = optionalEnv == null
            try {
                return loaded(filePath, options, environment, managed)
            } catch (error: LiteRtException) {
                if (managed) library.LiteRtDestroyEnvironment(environment)
                throw error
            }
        }

        private fun loaded(filePath: String, options: Options, environment: Pointer, managed: Boolean): CompiledModel {
            val model = create("load the model") { library.LiteRtCreateModelFromFile(environment, filePath, it) }
            val choice = create("create options", library::LiteRtCreateOptions)
            try {
                check(library.LiteRtSetOptionsHardwareAccelerators(choice, options.bits), "choose the accelerator")
                val handle = create("compile the model") { library.LiteRtCreateCompiledModel(environment, model, choice, it) }
                return CompiledModel(environment, managed, model, handle)
            } catch (error: LiteRtException) {
                library.LiteRtDestroyModel(model)
                throw error
            } finally {
                library.LiteRtDestroyOptions(choice)
            }
        }

        /** sizeof(LiteRtRankedTensorType). */
        private const val TENSOR_TYPE_BYTES = 72L
    }
}
