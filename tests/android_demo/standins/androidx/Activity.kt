@file:Suppress("UNUSED_PARAMETER", "unused")

package androidx.activity

import android.app.Activity
import androidx.activity.result.ActivityResultLauncher
import androidx.activity.result.contract.ActivityResultContract
import androidx.lifecycle.Lifecycle
import androidx.lifecycle.LifecycleOwner
import androidx.lifecycle.ViewModel
import androidx.lifecycle.ViewModelProvider
import androidx.lifecycle.ViewModelStore
import androidx.lifecycle.ViewModelStoreOwner

open class ComponentActivity :
    Activity(),
    LifecycleOwner,
    ViewModelStoreOwner {
    override val lifecycle: Lifecycle get() = TODO()
    override val viewModelStore: ViewModelStore get() = TODO()

    fun <I, O> registerForActivityResult(contract: ActivityResultContract<I, O>, callback: (O) -> Unit): ActivityResultLauncher<I> = TODO()
}

inline fun <reified VM : ViewModel> ComponentActivity.viewModels(noinline factoryProducer: (() -> ViewModelProvider.Factory)? = null): Lazy<VM> =
    TODO()

fun ComponentActivity.enableEdgeToEdge(): Unit = TODO()
