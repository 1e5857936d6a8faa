"""The classes of serving.proto, out of the private pool; serving_pb2.pyi says what they hold."""

from telltale_tfserving.protos._pool import message_class

ModelSpec = message_class("tensorflow.serving.ModelSpec")
PredictRequest = message_class("tensorflow.serving.PredictRequest")
PredictResponse = message_class("tensorflow.serving.PredictResponse")
SignatureDefMap = message_class("tensorflow.serving.SignatureDefMap")
GetModelMetadataRequest = message_class("tensorflow.serving.GetModelMetadataRequest")
GetModelMetadataResponse = message_class("tensorflow.serving.GetModelMetadataResponse")
StatusProto = message_class("tensorflow.serving.StatusProto")
GetModelStatusRequest = message_class("tensorflow.serving.GetModelStatusRequest")
ModelVersionStatus = message_class("tensorflow.serving.ModelVersionStatus")
GetModelStatusResponse = message_class("tensorflow.serving.GetModelStatusResponse")
FileSystemStoragePathSourceConfig = message_class("tensorflow.serving.FileSystemStoragePathSourceConfig")
ModelConfig = message_class("tensorflow.serving.ModelConfig")
ModelConfigList = message_class("tensorflow.serving.ModelConfigList")
ModelServerConfig = message_class("tensorflow.serving.ModelServerConfig")
ReloadConfigRequest = message_class("tensorflow.serving.ReloadConfigRequest")
ReloadConfigResponse = message_class("tensorflow.serving.ReloadConfigResponse")
