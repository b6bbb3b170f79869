"""The UIDs of PS3.6 annex A by keyword."""

# Written by pacskit_ext/codegen; never edited by hand.

from typing import Final

from pacskit_ext._uid import UID

__all__ = [
    "AbstractMultiDimensionalImageModel",
    "AcquisitionContextSRStorage",
    "AdvancedBlendingPresentationStateStorage",
    "AmbulatoryECGWaveformStorage",
    "ArterialPulseWaveformStorage",
    "AudioSRStorageTrial",
    "AudioWaveformRealTimeCommunication",
    "AutorefractionMeasurementsStorage",
    "BasicAnnotationBox",
    "BasicColorImageBox",
    "BasicColorPrintManagementMeta",
    "BasicFilmBox",
    "BasicFilmSession",
    "BasicGrayscaleImageBox",
    "BasicGrayscalePrintManagementMeta",
    "BasicPrintImageOverlayBox",
    "BasicStructuredDisplayStorage",
    "BasicStudyContentNotification",
    "BasicTextSRStorage",
    "BasicVoiceAudioWaveformStorage",
    "BlendingSoftcopyPresentationStateStorage",
    "BodyPositionWaveformStorage",
    "BreastImagingRelevantPatientInformationQuery",
    "BreastProjectionXRayImageStorageForPresentation",
    "BreastProjectionXRayImageStorageForProcessing",
    "BreastTomosynthesisImageStorage",
    "CArmPhotonElectronRadiationRecordStorage",
    "CArmPhotonElectronRadiationStorage",
    "CTDefinedProcedureProtocolStorage",
    "CTImageStorage",
    "CTPerformedProcedureProtocolStorage",
    "CardiacElectrophysiologyWaveformStorage",
    "CardiacRelevantPatientInformationQuery",
    "ChestCADSRStorage",
    "Colin27",
    "ColonCADSRStorage",
    "ColorPaletteQueryRetrieveInformationModelFind",
    "ColorPaletteQueryRetrieveInformationModelGet",
    "ColorPaletteQueryRetrieveInformationModelMove",
    "ColorPaletteStorage",
    "ColorSoftcopyPresentationStateStorage",
    "CompositeInstanceRetrieveWithoutBulkDataGet",
    "CompositeInstanceRootRetrieveGet",
    "CompositeInstanceRootRetrieveMove",
    "CompositingPlanarMPRVolumetricPresentationStateStorage",
    "Comprehensive3DSRStorage",
    "ComprehensiveSRStorage",
    "ComprehensiveSRStorageTrial",
    "ComputedRadiographyImageStorage",
    "ConfocalMicroscopyImageStorage",
    "ConfocalMicroscopyTiledPyramidalImageStorage",
    "ContentAssessmentResultsStorage",
    "CornealTopographyMapStorage",
    "DC",
    "DCM",
    "DCMUID",
    "DICOMApplicationContext",
    "DICOMContentMappingResource",
    "DICOS2DAITStorage",
    "DICOS3DAITStorage",
    "DICOSCTImageStorage",
    "DICOSDigitalXRayImageStorageForPresentation",
    "DICOSDigitalXRayImageStorageForProcessing",
    "DICOSQuadrupoleResonanceStorage",
    "DICOSThreatDetectionReportStorage",
    "DefinedProcedureProtocolInformationModelFind",
    "DefinedProcedureProtocolInformationModelGet",
    "DefinedProcedureProtocolInformationModelMove",
    "DeflatedExplicitVRLittleEndian",
    "DeflatedImageFrameCompression",
    "DeformableSpatialRegistrationStorage",
    "DermoscopicPhotographyImageStorage",
    "DetachedInterpretationManagement",
    "DetachedPatientManagement",
    "DetachedPatientManagementMeta",
    "DetachedResultsManagement",
    "DetachedResultsManagementMeta",
    "DetachedStudyManagement",
    "DetachedStudyManagementMeta",
    "DetachedVisitManagement",
    "DetailSRStorageTrial",
    "DigitalIntraOralXRayImageStorageForPresentation",
    "DigitalIntraOralXRayImageStorageForProcessing",
    "DigitalMammographyXRayImageStorageForPresentation",
    "DigitalMammographyXRayImageStorageForProcessing",
    "DigitalXRayImageStorageForPresentation",
    "DigitalXRayImageStorageForProcessing",
    "DisplaySystem",
    "DisplaySystemInstance",
    "EddyCurrentImageStorage",
    "EddyCurrentMultiFrameImageStorage",
    "ElectromyogramWaveformStorage",
    "ElectrooculogramWaveformStorage",
    "EncapsulatedCDAStorage",
    "EncapsulatedMTLStorage",
    "EncapsulatedOBJStorage",
    "EncapsulatedPDFStorage",
    "EncapsulatedSTLStorage",
    "EncapsulatedUncompressedExplicitVRLittleEndian",
    "EnhancedCTImageStorage",
    "EnhancedContinuousRTImageStorage",
    "EnhancedMRColorImageStorage",
    "EnhancedMRImageStorage",
    "EnhancedPETImageStorage",
    "EnhancedRTImageStorage",
    "EnhancedSRStorage",
    "EnhancedUSVolumeStorage",
    "EnhancedXAImageStorage",
    "EnhancedXRFImageStorage",
    "EnhancedXRayRadiationDoseSRStorage",
    "ExplicitVRBigEndian",
    "ExplicitVRLittleEndian",
    "ExtensibleSRStorage",
    "FallPalette",
    "GEPrivateImplicitBigEndianPixel",
    "General32bitECGWaveformStorage",
    "GeneralAudioWaveformStorage",
    "GeneralECGWaveformStorage",
    "GeneralPurposePerformedProcedureStep",
    "GeneralPurposeScheduledProcedureStep",
    "GeneralPurposeWorklistInformationModelFind",
    "GeneralPurposeWorklistManagementMeta",
    "GeneralRelevantPatientInformationQuery",
    "GenericImplantTemplateInformationModelFind",
    "GenericImplantTemplateInformationModelGet",
    "GenericImplantTemplateInformationModelMove",
    "GenericImplantTemplateStorage",
    "GrayscalePlanarMPRVolumetricPresentationStateStorage",
    "GrayscaleSoftcopyPresentationStateStorage",
    "HEVCM10P51",
    "HEVCMP51",
    "HTJ2K",
    "HTJ2KLossless",
    "HTJ2KLosslessRPCL",
    "HangingProtocolInformationModelFind",
    "HangingProtocolInformationModelGet",
    "HangingProtocolInformationModelMove",
    "HangingProtocolStorage",
    "HardcopyColorImageStorage",
    "HardcopyGrayscaleImageStorage",
    "HeightMapSegmentationStorage",
    "HemodynamicWaveformStorage",
    "HotIronPalette",
    "HotMetalBluePalette",
    "I11",
    "IBSI",
    "ICBM452T1",
    "ICBMSingleSubjectMRI",
    "IEC61217FixedCoordinateSystem",
    "IEC61217TableTopCoordinateSystem",
    "ITIS_TSN",
    "ImageOverlayBox",
    "ImplantAssemblyTemplateInformationModelFind",
    "ImplantAssemblyTemplateInformationModelGet",
    "ImplantAssemblyTemplateInformationModelMove",
    "ImplantAssemblyTemplateStorage",
    "ImplantTemplateGroupInformationModelFind",
    "ImplantTemplateGroupInformationModelGet",
    "ImplantTemplateGroupInformationModelMove",
    "ImplantTemplateGroupStorage",
    "ImplantationPlanSRStorage",
    "ImplicitVRLittleEndian",
    "InstanceAvailabilityNotification",
    "IntraocularLensCalculationsStorage",
    "IntravascularOpticalCoherenceTomographyImageStorageForPresentation",
    "IntravascularOpticalCoherenceTomographyImageStorageForProcessing",
    "InventoryCreation",
    "InventoryFind",
    "InventoryGet",
    "InventoryMove",
    "InventoryStorage",
    "JPEG2000",
    "JPEG2000Lossless",
    "JPEG2000MC",
    "JPEG2000MCLossless",
    "JPEGBaseline8Bit",
    "JPEGExtended12Bit",
    "JPEGExtended35",
    "JPEGExtendedHierarchical1618",
    "JPEGExtendedHierarchical1719",
    "JPEGFullProgressionHierarchical2426",
    "JPEGFullProgressionHierarchical2527",
    "JPEGFullProgressionNonHierarchical1012",
    "JPEGFullProgressionNonHierarchical1113",
    "JPEGLSLossless",
    "JPEGLSNearLossless",
    "JPEGLossless",
    "JPEGLosslessHierarchical28",
    "JPEGLosslessHierarchical29",
    "JPEGLosslessNonHierarchical15",
    "JPEGLosslessSV1",
    "JPEGSpectralSelectionHierarchical2022",
    "JPEGSpectralSelectionHierarchical2123",
    "JPEGSpectralSelectionNonHierarchical68",
    "JPEGSpectralSelectionNonHierarchical79",
    "JPEGXL",
    "JPEGXLJPEGRecompression",
    "JPEGXLLossless",
    "JPIPHTJ2KReferenced",
    "JPIPHTJ2KReferencedDeflate",
    "JPIPReferenced",
    "JPIPReferencedDeflate",
    "KeratometryMeasurementsStorage",
    "KeyObjectSelectionDocumentStorage",
    "LPBA40AIR",
    "LPBA40FLIRT",
    "LPBA40SPM5",
    "LabelMapSegmentationStorage",
    "LegacyConvertedEnhancedCTImageStorage",
    "LegacyConvertedEnhancedMRImageStorage",
    "LegacyConvertedEnhancedPETImageStorage",
    "LensometryMeasurementsStorage",
    "MA",
    "MAYONRISBSASRG",
    "MGI",
    "MPEG2MPHL",
    "MPEG2MPHLF",
    "MPEG2MPML",
    "MPEG2MPMLF",
    "MPEG4HP41",
    "MPEG4HP41BD",
    "MPEG4HP41BDF",
    "MPEG4HP41F",
    "MPEG4HP422D",
    "MPEG4HP422DF",
    "MPEG4HP423D",
    "MPEG4HP423DF",
    "MPEG4HP42STEREO",
    "MPEG4HP42STEREOF",
    "MRImageStorage",
    "MRSpectroscopyStorage",
    "MacularGridThicknessAndVolumeReportStorage",
    "MammographyCADSRStorage",
    "MediaCreationManagement",
    "MediaStorageDirectoryStorage",
    "MicroscopyBulkSimpleAnnotationsStorage",
    "ModalityPerformedProcedureStep",
    "ModalityPerformedProcedureStepNotification",
    "ModalityPerformedProcedureStepRetrieve",
    "ModalityWorklistInformationModelFind",
    "MultiFrameGrayscaleByteSecondaryCaptureImageStorage",
    "MultiFrameGrayscaleWordSecondaryCaptureImageStorage",
    "MultiFrameSingleBitSecondaryCaptureImageStorage",
    "MultiFrameTrueColorSecondaryCaptureImageStorage",
    "MultichannelRespiratoryWaveformStorage",
    "MultipleVolumeRenderingVolumetricPresentationStateStorage",
    "NON_PATIENT_STORAGE_SOP_CLASSES",
    "NYUMCCG",
    "NativeDICOMModel",
    "NuclearMedicineImageStorage",
    "NuclearMedicineImageStorageRetired",
    "OphthalmicAxialMeasurementsStorage",
    "OphthalmicOpticalCoherenceTomographyBscanVolumeAnalysisStorage",
    "OphthalmicOpticalCoherenceTomographyEnFaceImageStorage",
    "OphthalmicPhotography16BitImageStorage",
    "OphthalmicPhotography8BitImageStorage",
    "OphthalmicThicknessMapStorage",
    "OphthalmicTomographyImageStorage",
    "OphthalmicVisualFieldStaticPerimetryMeasurementsStorage",
    "PET20StepPalette",
    "PETPalette",
    "PUBCHEM_CID",
    "Papyrus3ImplicitVRLittleEndian",
    "PapyrusImplicit",
    "ParametricMapStorage",
    "PatientRadiationDoseSRStorage",
    "PatientRootQueryRetrieveInformationModelFind",
    "PatientRootQueryRetrieveInformationModelGet",
    "PatientRootQueryRetrieveInformationModelMove",
    "PatientStudyOnlyQueryRetrieveInformationModelFind",
    "PatientStudyOnlyQueryRetrieveInformationModelGet",
    "PatientStudyOnlyQueryRetrieveInformationModelMove",
    "PerformedImagingAgentAdministrationSRStorage",
    "PhotoacousticImageStorage",
    "PlannedImagingAgentAdministrationSRStorage",
    "PositronEmissionTomographyImageStorage",
    "PresentationLUT",
    "PrintJob",
    "PrintQueueInstance",
    "PrintQueueManagement",
    "Printer",
    "PrinterConfigurationRetrieval",
    "PrinterConfigurationRetrievalInstance",
    "PrinterInstance",
    "ProceduralEventLogging",
    "ProceduralEventLoggingInstance",
    "ProcedureLogStorage",
    "ProductCharacteristicsQuery",
    "ProtocolApprovalInformationModelFind",
    "ProtocolApprovalInformationModelGet",
    "ProtocolApprovalInformationModelMove",
    "ProtocolApprovalStorage",
    "PseudoColorSoftcopyPresentationStateStorage",
    "PullPrintRequest",
    "PullStoredPrintManagementMeta",
    "QUERY_RETRIEVE_SOP_CLASSES",
    "RADELEMENT",
    "RFC2557MIMEEncapsulation",
    "RLELossless",
    "RO",
    "RRID",
    "RTBeamsDeliveryInstructionStorage",
    "RTBeamsDeliveryInstructionStorageTrial",
    "RTBeamsTreatmentRecordStorage",
    "RTBrachyApplicationSetupDeliveryInstructionStorage",
    "RTBrachyTreatmentRecordStorage",
    "RTConventionalMachineVerification",
    "RTConventionalMachineVerificationTrial",
    "RTDoseStorage",
    "RTImageStorage",
    "RTIonBeamsTreatmentRecordStorage",
    "RTIonMachineVerification",
    "RTIonMachineVerificationTrial",
    "RTIonPlanStorage",
    "RTPatientPositionAcquisitionInstructionStorage",
    "RTPhysicianIntentStorage",
    "RTPlanStorage",
    "RTRadiationRecordSetStorage",
    "RTRadiationSalvageRecordStorage",
    "RTRadiationSetDeliveryInstructionStorage",
    "RTRadiationSetStorage",
    "RTSegmentAnnotationStorage",
    "RTStructureSetStorage",
    "RTTreatmentPreparationStorage",
    "RTTreatmentSummaryRecordStorage",
    "RadiopharmaceuticalRadiationDoseSRStorage",
    "RawDataStorage",
    "RealWorldValueMappingStorage",
    "ReferencedColorPrintManagementMeta",
    "ReferencedGrayscalePrintManagementMeta",
    "ReferencedImageBox",
    "RenditionSelectionDocumentRealTimeCommunication",
    "RepositoryQuery",
    "RespiratoryWaveformStorage",
    "RoboticArmRadiationStorage",
    "RoboticRadiationRecordStorage",
    "RoutineScalpElectroencephalogramWaveformStorage",
    "SMPTEST211020UncompressedInterlacedActiveVideo",
    "SMPTEST211020UncompressedProgressiveActiveVideo",
    "SMPTEST211030PCMDigitalAudio",
    "SPM2AVG152PD",
    "SPM2AVG152T1",
    "SPM2AVG152T2",
    "SPM2AVG305T1",
    "SPM2BRAINMASK",
    "SPM2CSF",
    "SPM2EPI",
    "SPM2FILT1",
    "SPM2GRAY",
    "SPM2PD",
    "SPM2PET",
    "SPM2SINGLESUBJT1",
    "SPM2SPECT",
    "SPM2T1",
    "SPM2T2",
    "SPM2TRANSM",
    "SPM2WHITE",
    "SRI24",
    "STORAGE_SOP_CLASSES",
    "SecondaryCaptureImageStorage",
    "SegmentationStorage",
    "SegmentedVolumeRenderingVolumetricPresentationStateStorage",
    "SimplifiedAdultEchoSRStorage",
    "SleepElectroencephalogramWaveformStorage",
    "SpatialFiducialsStorage",
    "SpatialRegistrationStorage",
    "SpectaclePrescriptionReportStorage",
    "SpringPalette",
    "StandaloneCurveStorage",
    "StandaloneModalityLUTStorage",
    "StandaloneOverlayStorage",
    "StandalonePETCurveStorage",
    "StandaloneVOILUTStorage",
    "StandardRoboticArmCoordinateSystem",
    "StereometricRelationshipStorage",
    "Storage",
    "StorageCommitmentPullModel",
    "StorageCommitmentPullModelInstance",
    "StorageCommitmentPushModel",
    "StorageCommitmentPushModelInstance",
    "StorageManagementInstance",
    "StoredPrintStorage",
    "StudyComponentManagement",
    "StudyRootQueryRetrieveInformationModelFind",
    "StudyRootQueryRetrieveInformationModelGet",
    "StudyRootQueryRetrieveInformationModelMove",
    "SubjectiveRefractionMeasurementsStorage",
    "SubstanceAdministrationLogging",
    "SubstanceAdministrationLoggingInstance",
    "SubstanceApprovalQuery",
    "SummerPalette",
    "SurfaceScanMeshStorage",
    "SurfaceScanPointCloudStorage",
    "SurfaceSegmentationStorage",
    "TRANSFER_SYNTAXES",
    "TalairachBrainAtlas",
    "TextSRStorageTrial",
    "TomotherapeuticRadiationRecordStorage",
    "TomotherapeuticRadiationStorage",
    "TractographyResultsStorage",
    "TwelveLeadECGWaveformStorage",
    "UBERON",
    "UNS",
    "UPSFilteredGlobalSubscriptionInstance",
    "UPSGlobalSubscriptionInstance",
    "UTC",
    "UltrasoundImageStorage",
    "UltrasoundImageStorageRetired",
    "UltrasoundMultiFrameImageStorage",
    "UltrasoundMultiFrameImageStorageRetired",
    "UnifiedProcedureStepEvent",
    "UnifiedProcedureStepEventTrial",
    "UnifiedProcedureStepPull",
    "UnifiedProcedureStepPullTrial",
    "UnifiedProcedureStepPush",
    "UnifiedProcedureStepPushTrial",
    "UnifiedProcedureStepQuery",
    "UnifiedProcedureStepWatch",
    "UnifiedProcedureStepWatchTrial",
    "UnifiedWorklistAndProcedureStep",
    "UnifiedWorklistAndProcedureStepTrial",
    "VLEndoscopicImageStorage",
    "VLImageStorageTrial",
    "VLMicroscopicImageStorage",
    "VLMultiFrameImageStorageTrial",
    "VLPhotographicImageStorage",
    "VLSlideCoordinatesMicroscopicImageStorage",
    "VLWholeSlideMicroscopyImageStorage",
    "VOILUTBox",
    "VariableModalityLUTSoftcopyPresentationStateStorage",
    "Verification",
    "VideoEndoscopicImageRealTimeCommunication",
    "VideoEndoscopicImageStorage",
    "VideoMicroscopicImageStorage",
    "VideoPhotographicImageRealTimeCommunication",
    "VideoPhotographicImageStorage",
    "VisualAcuityMeasurementsStorage",
    "VolumeRenderingVolumetricPresentationStateStorage",
    "WaveformAcquisitionPresentationStateStorage",
    "WaveformAnnotationSRStorage",
    "WaveformPresentationStateStorage",
    "WaveformStorageTrial",
    "WideFieldOphthalmicPhotography3DCoordinatesImageStorage",
    "WideFieldOphthalmicPhotographyStereographicProjectionImageStorage",
    "WinterPalette",
    "XADefinedProcedureProtocolStorage",
    "XAPerformedProcedureProtocolStorage",
    "XAXRFGrayscaleSoftcopyPresentationStateStorage",
    "XMLEncoding",
    "XRay3DAngiographicImageStorage",
    "XRay3DCraniofacialImageStorage",
    "XRayAngiographicBiPlaneImageStorage",
    "XRayAngiographicImageStorage",
    "XRayRadiationDoseSRStorage",
    "XRayRadiofluoroscopicImageStorage",
    "dicomAETitle",
    "dicomApplicationCluster",
    "dicomAssociationAcceptor",
    "dicomAssociationInitiator",
    "dicomAuthorizedNodeCertificateReference",
    "dicomConfigurationRoot",
    "dicomDescription",
    "dicomDevice",
    "dicomDeviceName",
    "dicomDeviceSerialNumber",
    "dicomDevicesRoot",
    "dicomHostname",
    "dicomInstalled",
    "dicomInstitutionAddress",
    "dicomInstitutionDepartmentName",
    "dicomInstitutionName",
    "dicomIssuerOfPatientID",
    "dicomManufacturer",
    "dicomManufacturerModelName",
    "dicomNetworkAE",
    "dicomNetworkConnection",
    "dicomNetworkConnectionReference",
    "dicomPort",
    "dicomPreferredCalledAETitle",
    "dicomPreferredCallingAETitle",
    "dicomPrimaryDeviceType",
    "dicomRelatedDeviceReference",
    "dicomSOPClass",
    "dicomSoftwareVersion",
    "dicomStationName",
    "dicomSupportedCharacterSet",
    "dicomTLSCyphersuite",
    "dicomThisNodeCertificateReference",
    "dicomTransferCapability",
    "dicomTransferRole",
    "dicomTransferSyntax",
    "dicomUniqueAETitle",
    "dicomUniqueAETitlesRegistryRoot",
    "dicomVendorData",
]

PapyrusImplicit: Final = UID("1.2.826.0.1.3680043.2.494.1.1")
Verification: Final = UID("1.2.840.10008.1.1")
ImplicitVRLittleEndian: Final = UID("1.2.840.10008.1.2")
ExplicitVRLittleEndian: Final = UID("1.2.840.10008.1.2.1")
EncapsulatedUncompressedExplicitVRLittleEndian: Final = UID("1.2.840.10008.1.2.1.98")
DeflatedExplicitVRLittleEndian: Final = UID("1.2.840.10008.1.2.1.99")
ExplicitVRBigEndian: Final = UID("1.2.840.10008.1.2.2")
JPEGBaseline8Bit: Final = UID("1.2.840.10008.1.2.4.50")
JPEGExtended12Bit: Final = UID("1.2.840.10008.1.2.4.51")
JPEGExtended35: Final = UID("1.2.840.10008.1.2.4.52")
JPEGSpectralSelectionNonHierarchical68: Final = UID("1.2.840.10008.1.2.4.53")
JPEGSpectralSelectionNonHierarchical79: Final = UID("1.2.840.10008.1.2.4.54")
JPEGFullProgressionNonHierarchical1012: Final = UID("1.2.840.10008.1.2.4.55")
JPEGFullProgressionNonHierarchical1113: Final = UID("1.2.840.10008.1.2.4.56")
JPEGLossless: Final = UID("1.2.840.10008.1.2.4.57")
JPEGLosslessNonHierarchical15: Final = UID("1.2.840.10008.1.2.4.58")
JPEGExtendedHierarchical1618: Final = UID("1.2.840.10008.1.2.4.59")
JPEGExtendedHierarchical1719: Final = UID("1.2.840.10008.1.2.4.60")
JPEGSpectralSelectionHierarchical2022: Final = UID("1.2.840.10008.1.2.4.61")
JPEGSpectralSelectionHierarchical2123: Final = UID("1.2.840.10008.1.2.4.62")
JPEGFullProgressionHierarchical2426: Final = UID("1.2.840.10008.1.2.4.63")
JPEGFullProgressionHierarchical2527: Final = UID("1.2.840.10008.1.2.4.64")
JPEGLosslessHierarchical28: Final = UID("1.2.840.10008.1.2.4.65")
JPEGLosslessHierarchical29: Final = UID("1.2.840.10008.1.2.4.66")
JPEGLosslessSV1: Final = UID("1.2.840.10008.1.2.4.70")
JPEGLSLossless: Final = UID("1.2.840.10008.1.2.4.80")
JPEGLSNearLossless: Final = UID("1.2.840.10008.1.2.4.81")
JPEG2000Lossless: Final = UID("1.2.840.10008.1.2.4.90")
JPEG2000: Final = UID("1.2.840.10008.1.2.4.91")
JPEG2000MCLossless: Final = UID("1.2.840.10008.1.2.4.92")
JPEG2000MC: Final = UID("1.2.840.10008.1.2.4.93")
JPIPReferenced: Final = UID("1.2.840.10008.1.2.4.94")
JPIPReferencedDeflate: Final = UID("1.2.840.10008.1.2.4.95")
MPEG2MPML: Final = UID("1.2.840.10008.1.2.4.100")
MPEG2MPMLF: Final = UID("1.2.840.10008.1.2.4.100.1")
MPEG2MPHL: Final = UID("1.2.840.10008.1.2.4.101")
MPEG2MPHLF: Final = UID("1.2.840.10008.1.2.4.101.1")
MPEG4HP41: Final = UID("1.2.840.10008.1.2.4.102")
MPEG4HP41F: Final = UID("1.2.840.10008.1.2.4.102.1")
MPEG4HP41BD: Final = UID("1.2.840.10008.1.2.4.103")
MPEG4HP41BDF: Final = UID("1.2.840.10008.1.2.4.103.1")
MPEG4HP422D: Final = UID("1.2.840.10008.1.2.4.104")
MPEG4HP422DF: Final = UID("1.2.840.10008.1.2.4.104.1")
MPEG4HP423D: Final = UID("1.2.840.10008.1.2.4.105")
MPEG4HP423DF: Final = UID("1.2.840.10008.1.2.4.105.1")
MPEG4HP42STEREO: Final = UID("1.2.840.10008.1.2.4.106")
MPEG4HP42STEREOF: Final = UID("1.2.840.10008.1.2.4.106.1")
HEVCMP51: Final = UID("1.2.840.10008.1.2.4.107")
HEVCM10P51: Final = UID("1.2.840.10008.1.2.4.108")
JPEGXLLossless: Final = UID("1.2.840.10008.1.2.4.110")
JPEGXLJPEGRecompression: Final = UID("1.2.840.10008.1.2.4.111")
JPEGXL: Final = UID("1.2.840.10008.1.2.4.112")
HTJ2KLossless: Final = UID("1.2.840.10008.1.2.4.201")
HTJ2KLosslessRPCL: Final = UID("1.2.840.10008.1.2.4.202")
HTJ2K: Final = UID("1.2.840.10008.1.2.4.203")
JPIPHTJ2KReferenced: Final = UID("1.2.840.10008.1.2.4.204")
JPIPHTJ2KReferencedDeflate: Final = UID("1.2.840.10008.1.2.4.205")
RLELossless: Final = UID("1.2.840.10008.1.2.5")
RFC2557MIMEEncapsulation: Final = UID("1.2.840.10008.1.2.6.1")
XMLEncoding: Final = UID("1.2.840.10008.1.2.6.2")
SMPTEST211020UncompressedProgressiveActiveVideo: Final = UID("1.2.840.10008.1.2.7.1")
SMPTEST211020UncompressedInterlacedActiveVideo: Final = UID("1.2.840.10008.1.2.7.2")
SMPTEST211030PCMDigitalAudio: Final = UID("1.2.840.10008.1.2.7.3")
DeflatedImageFrameCompression: Final = UID("1.2.840.10008.1.2.8.1")
MediaStorageDirectoryStorage: Final = UID("1.2.840.10008.1.3.10")
TalairachBrainAtlas: Final = UID("1.2.840.10008.1.4.1.1")
SPM2T1: Final = UID("1.2.840.10008.1.4.1.2")
SPM2T2: Final = UID("1.2.840.10008.1.4.1.3")
SPM2PD: Final = UID("1.2.840.10008.1.4.1.4")
SPM2EPI: Final = UID("1.2.840.10008.1.4.1.5")
SPM2FILT1: Final = UID("1.2.840.10008.1.4.1.6")
SPM2PET: Final = UID("1.2.840.10008.1.4.1.7")
SPM2TRANSM: Final = UID("1.2.840.10008.1.4.1.8")
SPM2SPECT: Final = UID("1.2.840.10008.1.4.1.9")
SPM2GRAY: Final = UID("1.2.840.10008.1.4.1.10")
SPM2WHITE: Final = UID("1.2.840.10008.1.4.1.11")
SPM2CSF: Final = UID("1.2.840.10008.1.4.1.12")
SPM2BRAINMASK: Final = UID("1.2.840.10008.1.4.1.13")
SPM2AVG305T1: Final = UID("1.2.840.10008.1.4.1.14")
SPM2AVG152T1: Final = UID("1.2.840.10008.1.4.1.15")
SPM2AVG152T2: Final = UID("1.2.840.10008.1.4.1.16")
SPM2AVG152PD: Final = UID("1.2.840.10008.1.4.1.17")
SPM2SINGLESUBJT1: Final = UID("1.2.840.10008.1.4.1.18")
ICBM452T1: Final = UID("1.2.840.10008.1.4.2.1")
ICBMSingleSubjectMRI: Final = UID("1.2.840.10008.1.4.2.2")
IEC61217FixedCoordinateSystem: Final = UID("1.2.840.10008.1.4.3.1")
StandardRoboticArmCoordinateSystem: Final = UID("1.2.840.10008.1.4.3.2")
IEC61217TableTopCoordinateSystem: Final = UID("1.2.840.10008.1.4.3.3")
SRI24: Final = UID("1.2.840.10008.1.4.4.1")
Colin27: Final = UID("1.2.840.10008.1.4.5.1")
LPBA40AIR: Final = UID("1.2.840.10008.1.4.6.1")
LPBA40FLIRT: Final = UID("1.2.840.10008.1.4.6.2")
LPBA40SPM5: Final = UID("1.2.840.10008.1.4.6.3")
HotIronPalette: Final = UID("1.2.840.10008.1.5.1")
PETPalette: Final = UID("1.2.840.10008.1.5.2")
HotMetalBluePalette: Final = UID("1.2.840.10008.1.5.3")
PET20StepPalette: Final = UID("1.2.840.10008.1.5.4")
SpringPalette: Final = UID("1.2.840.10008.1.5.5")
SummerPalette: Final = UID("1.2.840.10008.1.5.6")
FallPalette: Final = UID("1.2.840.10008.1.5.7")
WinterPalette: Final = UID("1.2.840.10008.1.5.8")
BasicStudyContentNotification: Final = UID("1.2.840.10008.1.9")
Papyrus3ImplicitVRLittleEndian: Final = UID("1.2.840.10008.1.20")
StorageCommitmentPushModel: Final = UID("1.2.840.10008.1.20.1")
StorageCommitmentPushModelInstance: Final = UID("1.2.840.10008.1.20.1.1")
StorageCommitmentPullModel: Final = UID("1.2.840.10008.1.20.2")
StorageCommitmentPullModelInstance: Final = UID("1.2.840.10008.1.20.2.1")
ProceduralEventLogging: Final = UID("1.2.840.10008.1.40")
ProceduralEventLoggingInstance: Final = UID("1.2.840.10008.1.40.1")
SubstanceAdministrationLogging: Final = UID("1.2.840.10008.1.42")
SubstanceAdministrationLoggingInstance: Final = UID("1.2.840.10008.1.42.1")
DCMUID: Final = UID("1.2.840.10008.2.6.1")
DCM: Final = UID("1.2.840.10008.2.16.4")
MA: Final = UID("1.2.840.10008.2.16.5")
UBERON: Final = UID("1.2.840.10008.2.16.6")
ITIS_TSN: Final = UID("1.2.840.10008.2.16.7")
MGI: Final = UID("1.2.840.10008.2.16.8")
PUBCHEM_CID: Final = UID("1.2.840.10008.2.16.9")
DC: Final = UID("1.2.840.10008.2.16.10")
NYUMCCG: Final = UID("1.2.840.10008.2.16.11")
MAYONRISBSASRG: Final = UID("1.2.840.10008.2.16.12")
IBSI: Final = UID("1.2.840.10008.2.16.13")
RO: Final = UID("1.2.840.10008.2.16.14")
RADELEMENT: Final = UID("1.2.840.10008.2.16.15")
I11: Final = UID("1.2.840.10008.2.16.16")
UNS: Final = UID("1.2.840.10008.2.16.17")
RRID: Final = UID("1.2.840.10008.2.16.18")
DICOMApplicationContext: Final = UID("1.2.840.10008.3.1.1.1")
DetachedPatientManagement: Final = UID("1.2.840.10008.3.1.2.1.1")
DetachedPatientManagementMeta: Final = UID("1.2.840.10008.3.1.2.1.4")
DetachedVisitManagement: Final = UID("1.2.840.10008.3.1.2.2.1")
DetachedStudyManagement: Final = UID("1.2.840.10008.3.1.2.3.1")
StudyComponentManagement: Final = UID("1.2.840.10008.3.1.2.3.2")
ModalityPerformedProcedureStep: Final = UID("1.2.840.10008.3.1.2.3.3")
ModalityPerformedProcedureStepRetrieve: Final = UID("1.2.840.10008.3.1.2.3.4")
ModalityPerformedProcedureStepNotification: Final = UID("1.2.840.10008.3.1.2.3.5")
DetachedResultsManagement: Final = UID("1.2.840.10008.3.1.2.5.1")
DetachedResultsManagementMeta: Final = UID("1.2.840.10008.3.1.2.5.4")
DetachedStudyManagementMeta: Final = UID("1.2.840.10008.3.1.2.5.5")
DetachedInterpretationManagement: Final = UID("1.2.840.10008.3.1.2.6.1")
Storage: Final = UID("1.2.840.10008.4.2")
BasicFilmSession: Final = UID("1.2.840.10008.5.1.1.1")
BasicFilmBox: Final = UID("1.2.840.10008.5.1.1.2")
BasicGrayscaleImageBox: Final = UID("1.2.840.10008.5.1.1.4")
BasicColorImageBox: Final = UID("1.2.840.10008.5.1.1.4.1")
ReferencedImageBox: Final = UID("1.2.840.10008.5.1.1.4.2")
BasicGrayscalePrintManagementMeta: Final = UID("1.2.840.10008.5.1.1.9")
ReferencedGrayscalePrintManagementMeta: Final = UID("1.2.840.10008.5.1.1.9.1")
PrintJob: Final = UID("1.2.840.10008.5.1.1.14")
BasicAnnotationBox: Final = UID("1.2.840.10008.5.1.1.15")
Printer: Final = UID("1.2.840.10008.5.1.1.16")
PrinterConfigurationRetrieval: Final = UID("1.2.840.10008.5.1.1.16.376")
PrinterInstance: Final = UID("1.2.840.10008.5.1.1.17")
PrinterConfigurationRetrievalInstance: Final = UID("1.2.840.10008.5.1.1.17.376")
BasicColorPrintManagementMeta: Final = UID("1.2.840.10008.5.1.1.18")
ReferencedColorPrintManagementMeta: Final = UID("1.2.840.10008.5.1.1.18.1")
VOILUTBox: Final = UID("1.2.840.10008.5.1.1.22")
PresentationLUT: Final = UID("1.2.840.10008.5.1.1.23")
ImageOverlayBox: Final = UID("1.2.840.10008.5.1.1.24")
BasicPrintImageOverlayBox: Final = UID("1.2.840.10008.5.1.1.24.1")
PrintQueueInstance: Final = UID("1.2.840.10008.5.1.1.25")
PrintQueueManagement: Final = UID("1.2.840.10008.5.1.1.26")
StoredPrintStorage: Final = UID("1.2.840.10008.5.1.1.27")
HardcopyGrayscaleImageStorage: Final = UID("1.2.840.10008.5.1.1.29")
HardcopyColorImageStorage: Final = UID("1.2.840.10008.5.1.1.30")
PullPrintRequest: Final = UID("1.2.840.10008.5.1.1.31")
PullStoredPrintManagementMeta: Final = UID("1.2.840.10008.5.1.1.32")
MediaCreationManagement: Final = UID("1.2.840.10008.5.1.1.33")
DisplaySystem: Final = UID("1.2.840.10008.5.1.1.40")
DisplaySystemInstance: Final = UID("1.2.840.10008.5.1.1.40.1")
ComputedRadiographyImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.1")
DigitalXRayImageStorageForPresentation: Final = UID("1.2.840.10008.5.1.4.1.1.1.1")
DigitalXRayImageStorageForProcessing: Final = UID("1.2.840.10008.5.1.4.1.1.1.1.1")
DigitalMammographyXRayImageStorageForPresentation: Final = UID("1.2.840.10008.5.1.4.1.1.1.2")
DigitalMammographyXRayImageStorageForProcessing: Final = UID("1.2.840.10008.5.1.4.1.1.1.2.1")
DigitalIntraOralXRayImageStorageForPresentation: Final = UID("1.2.840.10008.5.1.4.1.1.1.3")
DigitalIntraOralXRayImageStorageForProcessing: Final = UID("1.2.840.10008.5.1.4.1.1.1.3.1")
CTImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.2")
EnhancedCTImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.2.1")
LegacyConvertedEnhancedCTImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.2.2")
UltrasoundMultiFrameImageStorageRetired: Final = UID("1.2.840.10008.5.1.4.1.1.3")
UltrasoundMultiFrameImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.3.1")
MRImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.4")
EnhancedMRImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.4.1")
MRSpectroscopyStorage: Final = UID("1.2.840.10008.5.1.4.1.1.4.2")
EnhancedMRColorImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.4.3")
LegacyConvertedEnhancedMRImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.4.4")
NuclearMedicineImageStorageRetired: Final = UID("1.2.840.10008.5.1.4.1.1.5")
UltrasoundImageStorageRetired: Final = UID("1.2.840.10008.5.1.4.1.1.6")
UltrasoundImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.6.1")
EnhancedUSVolumeStorage: Final = UID("1.2.840.10008.5.1.4.1.1.6.2")
PhotoacousticImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.6.3")
SecondaryCaptureImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.7")
MultiFrameSingleBitSecondaryCaptureImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.7.1")
MultiFrameGrayscaleByteSecondaryCaptureImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.7.2")
MultiFrameGrayscaleWordSecondaryCaptureImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.7.3")
MultiFrameTrueColorSecondaryCaptureImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.7.4")
StandaloneOverlayStorage: Final = UID("1.2.840.10008.5.1.4.1.1.8")
StandaloneCurveStorage: Final = UID("1.2.840.10008.5.1.4.1.1.9")
WaveformStorageTrial: Final = UID("1.2.840.10008.5.1.4.1.1.9.1")
TwelveLeadECGWaveformStorage: Final = UID("1.2.840.10008.5.1.4.1.1.9.1.1")
GeneralECGWaveformStorage: Final = UID("1.2.840.10008.5.1.4.1.1.9.1.2")
AmbulatoryECGWaveformStorage: Final = UID("1.2.840.10008.5.1.4.1.1.9.1.3")
General32bitECGWaveformStorage: Final = UID("1.2.840.10008.5.1.4.1.1.9.1.4")
HemodynamicWaveformStorage: Final = UID("1.2.840.10008.5.1.4.1.1.9.2.1")
CardiacElectrophysiologyWaveformStorage: Final = UID("1.2.840.10008.5.1.4.1.1.9.3.1")
BasicVoiceAudioWaveformStorage: Final = UID("1.2.840.10008.5.1.4.1.1.9.4.1")
GeneralAudioWaveformStorage: Final = UID("1.2.840.10008.5.1.4.1.1.9.4.2")
ArterialPulseWaveformStorage: Final = UID("1.2.840.10008.5.1.4.1.1.9.5.1")
RespiratoryWaveformStorage: Final = UID("1.2.840.10008.5.1.4.1.1.9.6.1")
MultichannelRespiratoryWaveformStorage: Final = UID("1.2.840.10008.5.1.4.1.1.9.6.2")
RoutineScalpElectroencephalogramWaveformStorage: Final = UID("1.2.840.10008.5.1.4.1.1.9.7.1")
ElectromyogramWaveformStorage: Final = UID("1.2.840.10008.5.1.4.1.1.9.7.2")
ElectrooculogramWaveformStorage: Final = UID("1.2.840.10008.5.1.4.1.1.9.7.3")
SleepElectroencephalogramWaveformStorage: Final = UID("1.2.840.10008.5.1.4.1.1.9.7.4")
BodyPositionWaveformStorage: Final = UID("1.2.840.10008.5.1.4.1.1.9.8.1")
WaveformPresentationStateStorage: Final = UID("1.2.840.10008.5.1.4.1.1.9.100.1")
WaveformAcquisitionPresentationStateStorage: Final = UID("1.2.840.10008.5.1.4.1.1.9.100.2")
StandaloneModalityLUTStorage: Final = UID("1.2.840.10008.5.1.4.1.1.10")
StandaloneVOILUTStorage: Final = UID("1.2.840.10008.5.1.4.1.1.11")
GrayscaleSoftcopyPresentationStateStorage: Final = UID("1.2.840.10008.5.1.4.1.1.11.1")
ColorSoftcopyPresentationStateStorage: Final = UID("1.2.840.10008.5.1.4.1.1.11.2")
PseudoColorSoftcopyPresentationStateStorage: Final = UID("1.2.840.10008.5.1.4.1.1.11.3")
BlendingSoftcopyPresentationStateStorage: Final = UID("1.2.840.10008.5.1.4.1.1.11.4")
XAXRFGrayscaleSoftcopyPresentationStateStorage: Final = UID("1.2.840.10008.5.1.4.1.1.11.5")
GrayscalePlanarMPRVolumetricPresentationStateStorage: Final = UID("1.2.840.10008.5.1.4.1.1.11.6")
CompositingPlanarMPRVolumetricPresentationStateStorage: Final = UID("1.2.840.10008.5.1.4.1.1.11.7")
AdvancedBlendingPresentationStateStorage: Final = UID("1.2.840.10008.5.1.4.1.1.11.8")
VolumeRenderingVolumetricPresentationStateStorage: Final = UID("1.2.840.10008.5.1.4.1.1.11.9")
SegmentedVolumeRenderingVolumetricPresentationStateStorage: Final = UID("1.2.840.10008.5.1.4.1.1.11.10")
MultipleVolumeRenderingVolumetricPresentationStateStorage: Final = UID("1.2.840.10008.5.1.4.1.1.11.11")
VariableModalityLUTSoftcopyPresentationStateStorage: Final = UID("1.2.840.10008.5.1.4.1.1.11.12")
XRayAngiographicImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.12.1")
EnhancedXAImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.12.1.1")
XRayRadiofluoroscopicImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.12.2")
EnhancedXRFImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.12.2.1")
XRayAngiographicBiPlaneImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.12.3")
XRay3DAngiographicImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.13.1.1")
XRay3DCraniofacialImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.13.1.2")
BreastTomosynthesisImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.13.1.3")
BreastProjectionXRayImageStorageForPresentation: Final = UID("1.2.840.10008.5.1.4.1.1.13.1.4")
BreastProjectionXRayImageStorageForProcessing: Final = UID("1.2.840.10008.5.1.4.1.1.13.1.5")
IntravascularOpticalCoherenceTomographyImageStorageForPresentation: Final = UID("1.2.840.10008.5.1.4.1.1.14.1")
IntravascularOpticalCoherenceTomographyImageStorageForProcessing: Final = UID("1.2.840.10008.5.1.4.1.1.14.2")
NuclearMedicineImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.20")
ParametricMapStorage: Final = UID("1.2.840.10008.5.1.4.1.1.30")
RawDataStorage: Final = UID("1.2.840.10008.5.1.4.1.1.66")
SpatialRegistrationStorage: Final = UID("1.2.840.10008.5.1.4.1.1.66.1")
SpatialFiducialsStorage: Final = UID("1.2.840.10008.5.1.4.1.1.66.2")
DeformableSpatialRegistrationStorage: Final = UID("1.2.840.10008.5.1.4.1.1.66.3")
SegmentationStorage: Final = UID("1.2.840.10008.5.1.4.1.1.66.4")
SurfaceSegmentationStorage: Final = UID("1.2.840.10008.5.1.4.1.1.66.5")
TractographyResultsStorage: Final = UID("1.2.840.10008.5.1.4.1.1.66.6")
LabelMapSegmentationStorage: Final = UID("1.2.840.10008.5.1.4.1.1.66.7")
HeightMapSegmentationStorage: Final = UID("1.2.840.10008.5.1.4.1.1.66.8")
RealWorldValueMappingStorage: Final = UID("1.2.840.10008.5.1.4.1.1.67")
SurfaceScanMeshStorage: Final = UID("1.2.840.10008.5.1.4.1.1.68.1")
SurfaceScanPointCloudStorage: Final = UID("1.2.840.10008.5.1.4.1.1.68.2")
VLImageStorageTrial: Final = UID("1.2.840.10008.5.1.4.1.1.77.1")
VLEndoscopicImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.77.1.1")
VideoEndoscopicImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.77.1.1.1")
VLMicroscopicImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.77.1.2")
VideoMicroscopicImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.77.1.2.1")
VLSlideCoordinatesMicroscopicImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.77.1.3")
VLPhotographicImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.77.1.4")
VideoPhotographicImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.77.1.4.1")
OphthalmicPhotography8BitImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.77.1.5.1")
OphthalmicPhotography16BitImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.77.1.5.2")
StereometricRelationshipStorage: Final = UID("1.2.840.10008.5.1.4.1.1.77.1.5.3")
OphthalmicTomographyImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.77.1.5.4")
WideFieldOphthalmicPhotographyStereographicProjectionImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.77.1.5.5")
WideFieldOphthalmicPhotography3DCoordinatesImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.77.1.5.6")
OphthalmicOpticalCoherenceTomographyEnFaceImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.77.1.5.7")
OphthalmicOpticalCoherenceTomographyBscanVolumeAnalysisStorage: Final = UID("1.2.840.10008.5.1.4.1.1.77.1.5.8")
VLWholeSlideMicroscopyImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.77.1.6")
DermoscopicPhotographyImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.77.1.7")
ConfocalMicroscopyImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.77.1.8")
ConfocalMicroscopyTiledPyramidalImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.77.1.9")
VLMultiFrameImageStorageTrial: Final = UID("1.2.840.10008.5.1.4.1.1.77.2")
LensometryMeasurementsStorage: Final = UID("1.2.840.10008.5.1.4.1.1.78.1")
AutorefractionMeasurementsStorage: Final = UID("1.2.840.10008.5.1.4.1.1.78.2")
KeratometryMeasurementsStorage: Final = UID("1.2.840.10008.5.1.4.1.1.78.3")
SubjectiveRefractionMeasurementsStorage: Final = UID("1.2.840.10008.5.1.4.1.1.78.4")
VisualAcuityMeasurementsStorage: Final = UID("1.2.840.10008.5.1.4.1.1.78.5")
SpectaclePrescriptionReportStorage: Final = UID("1.2.840.10008.5.1.4.1.1.78.6")
OphthalmicAxialMeasurementsStorage: Final = UID("1.2.840.10008.5.1.4.1.1.78.7")
IntraocularLensCalculationsStorage: Final = UID("1.2.840.10008.5.1.4.1.1.78.8")
MacularGridThicknessAndVolumeReportStorage: Final = UID("1.2.840.10008.5.1.4.1.1.79.1")
OphthalmicVisualFieldStaticPerimetryMeasurementsStorage: Final = UID("1.2.840.10008.5.1.4.1.1.80.1")
OphthalmicThicknessMapStorage: Final = UID("1.2.840.10008.5.1.4.1.1.81.1")
CornealTopographyMapStorage: Final = UID("1.2.840.10008.5.1.4.1.1.82.1")
TextSRStorageTrial: Final = UID("1.2.840.10008.5.1.4.1.1.88.1")
AudioSRStorageTrial: Final = UID("1.2.840.10008.5.1.4.1.1.88.2")
DetailSRStorageTrial: Final = UID("1.2.840.10008.5.1.4.1.1.88.3")
ComprehensiveSRStorageTrial: Final = UID("1.2.840.10008.5.1.4.1.1.88.4")
BasicTextSRStorage: Final = UID("1.2.840.10008.5.1.4.1.1.88.11")
EnhancedSRStorage: Final = UID("1.2.840.10008.5.1.4.1.1.88.22")
ComprehensiveSRStorage: Final = UID("1.2.840.10008.5.1.4.1.1.88.33")
Comprehensive3DSRStorage: Final = UID("1.2.840.10008.5.1.4.1.1.88.34")
ExtensibleSRStorage: Final = UID("1.2.840.10008.5.1.4.1.1.88.35")
ProcedureLogStorage: Final = UID("1.2.840.10008.5.1.4.1.1.88.40")
MammographyCADSRStorage: Final = UID("1.2.840.10008.5.1.4.1.1.88.50")
KeyObjectSelectionDocumentStorage: Final = UID("1.2.840.10008.5.1.4.1.1.88.59")
ChestCADSRStorage: Final = UID("1.2.840.10008.5.1.4.1.1.88.65")
XRayRadiationDoseSRStorage: Final = UID("1.2.840.10008.5.1.4.1.1.88.67")
RadiopharmaceuticalRadiationDoseSRStorage: Final = UID("1.2.840.10008.5.1.4.1.1.88.68")
ColonCADSRStorage: Final = UID("1.2.840.10008.5.1.4.1.1.88.69")
ImplantationPlanSRStorage: Final = UID("1.2.840.10008.5.1.4.1.1.88.70")
AcquisitionContextSRStorage: Final = UID("1.2.840.10008.5.1.4.1.1.88.71")
SimplifiedAdultEchoSRStorage: Final = UID("1.2.840.10008.5.1.4.1.1.88.72")
PatientRadiationDoseSRStorage: Final = UID("1.2.840.10008.5.1.4.1.1.88.73")
PlannedImagingAgentAdministrationSRStorage: Final = UID("1.2.840.10008.5.1.4.1.1.88.74")
PerformedImagingAgentAdministrationSRStorage: Final = UID("1.2.840.10008.5.1.4.1.1.88.75")
EnhancedXRayRadiationDoseSRStorage: Final = UID("1.2.840.10008.5.1.4.1.1.88.76")
WaveformAnnotationSRStorage: Final = UID("1.2.840.10008.5.1.4.1.1.88.77")
ContentAssessmentResultsStorage: Final = UID("1.2.840.10008.5.1.4.1.1.90.1")
MicroscopyBulkSimpleAnnotationsStorage: Final = UID("1.2.840.10008.5.1.4.1.1.91.1")
EncapsulatedPDFStorage: Final = UID("1.2.840.10008.5.1.4.1.1.104.1")
EncapsulatedCDAStorage: Final = UID("1.2.840.10008.5.1.4.1.1.104.2")
EncapsulatedSTLStorage: Final = UID("1.2.840.10008.5.1.4.1.1.104.3")
EncapsulatedOBJStorage: Final = UID("1.2.840.10008.5.1.4.1.1.104.4")
EncapsulatedMTLStorage: Final = UID("1.2.840.10008.5.1.4.1.1.104.5")
PositronEmissionTomographyImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.128")
LegacyConvertedEnhancedPETImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.128.1")
StandalonePETCurveStorage: Final = UID("1.2.840.10008.5.1.4.1.1.129")
EnhancedPETImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.130")
BasicStructuredDisplayStorage: Final = UID("1.2.840.10008.5.1.4.1.1.131")
CTDefinedProcedureProtocolStorage: Final = UID("1.2.840.10008.5.1.4.1.1.200.1")
CTPerformedProcedureProtocolStorage: Final = UID("1.2.840.10008.5.1.4.1.1.200.2")
ProtocolApprovalStorage: Final = UID("1.2.840.10008.5.1.4.1.1.200.3")
ProtocolApprovalInformationModelFind: Final = UID("1.2.840.10008.5.1.4.1.1.200.4")
ProtocolApprovalInformationModelMove: Final = UID("1.2.840.10008.5.1.4.1.1.200.5")
ProtocolApprovalInformationModelGet: Final = UID("1.2.840.10008.5.1.4.1.1.200.6")
XADefinedProcedureProtocolStorage: Final = UID("1.2.840.10008.5.1.4.1.1.200.7")
XAPerformedProcedureProtocolStorage: Final = UID("1.2.840.10008.5.1.4.1.1.200.8")
InventoryStorage: Final = UID("1.2.840.10008.5.1.4.1.1.201.1")
StorageManagementInstance: Final = UID("1.2.840.10008.5.1.4.1.1.201.1.1")
InventoryFind: Final = UID("1.2.840.10008.5.1.4.1.1.201.2")
InventoryMove: Final = UID("1.2.840.10008.5.1.4.1.1.201.3")
InventoryGet: Final = UID("1.2.840.10008.5.1.4.1.1.201.4")
InventoryCreation: Final = UID("1.2.840.10008.5.1.4.1.1.201.5")
RepositoryQuery: Final = UID("1.2.840.10008.5.1.4.1.1.201.6")
RTImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.1")
RTDoseStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.2")
RTStructureSetStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.3")
RTBeamsTreatmentRecordStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.4")
RTPlanStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.5")
RTBrachyTreatmentRecordStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.6")
RTTreatmentSummaryRecordStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.7")
RTIonPlanStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.8")
RTIonBeamsTreatmentRecordStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.9")
RTPhysicianIntentStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.10")
RTSegmentAnnotationStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.11")
RTRadiationSetStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.12")
CArmPhotonElectronRadiationStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.13")
TomotherapeuticRadiationStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.14")
RoboticArmRadiationStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.15")
RTRadiationRecordSetStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.16")
RTRadiationSalvageRecordStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.17")
TomotherapeuticRadiationRecordStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.18")
CArmPhotonElectronRadiationRecordStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.19")
RoboticRadiationRecordStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.20")
RTRadiationSetDeliveryInstructionStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.21")
RTTreatmentPreparationStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.22")
EnhancedRTImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.23")
EnhancedContinuousRTImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.24")
RTPatientPositionAcquisitionInstructionStorage: Final = UID("1.2.840.10008.5.1.4.1.1.481.25")
DICOSCTImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.501.1")
DICOSDigitalXRayImageStorageForPresentation: Final = UID("1.2.840.10008.5.1.4.1.1.501.2.1")
DICOSDigitalXRayImageStorageForProcessing: Final = UID("1.2.840.10008.5.1.4.1.1.501.2.2")
DICOSThreatDetectionReportStorage: Final = UID("1.2.840.10008.5.1.4.1.1.501.3")
DICOS2DAITStorage: Final = UID("1.2.840.10008.5.1.4.1.1.501.4")
DICOS3DAITStorage: Final = UID("1.2.840.10008.5.1.4.1.1.501.5")
DICOSQuadrupoleResonanceStorage: Final = UID("1.2.840.10008.5.1.4.1.1.501.6")
EddyCurrentImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.601.1")
EddyCurrentMultiFrameImageStorage: Final = UID("1.2.840.10008.5.1.4.1.1.601.2")
PatientRootQueryRetrieveInformationModelFind: Final = UID("1.2.840.10008.5.1.4.1.2.1.1")
PatientRootQueryRetrieveInformationModelMove: Final = UID("1.2.840.10008.5.1.4.1.2.1.2")
PatientRootQueryRetrieveInformationModelGet: Final = UID("1.2.840.10008.5.1.4.1.2.1.3")
StudyRootQueryRetrieveInformationModelFind: Final = UID("1.2.840.10008.5.1.4.1.2.2.1")
StudyRootQueryRetrieveInformationModelMove: Final = UID("1.2.840.10008.5.1.4.1.2.2.2")
StudyRootQueryRetrieveInformationModelGet: Final = UID("1.2.840.10008.5.1.4.1.2.2.3")
PatientStudyOnlyQueryRetrieveInformationModelFind: Final = UID("1.2.840.10008.5.1.4.1.2.3.1")
PatientStudyOnlyQueryRetrieveInformationModelMove: Final = UID("1.2.840.10008.5.1.4.1.2.3.2")
PatientStudyOnlyQueryRetrieveInformationModelGet: Final = UID("1.2.840.10008.5.1.4.1.2.3.3")
CompositeInstanceRootRetrieveMove: Final = UID("1.2.840.10008.5.1.4.1.2.4.2")
CompositeInstanceRootRetrieveGet: Final = UID("1.2.840.10008.5.1.4.1.2.4.3")
CompositeInstanceRetrieveWithoutBulkDataGet: Final = UID("1.2.840.10008.5.1.4.1.2.5.3")
DefinedProcedureProtocolInformationModelFind: Final = UID("1.2.840.10008.5.1.4.20.1")
DefinedProcedureProtocolInformationModelMove: Final = UID("1.2.840.10008.5.1.4.20.2")
DefinedProcedureProtocolInformationModelGet: Final = UID("1.2.840.10008.5.1.4.20.3")
ModalityWorklistInformationModelFind: Final = UID("1.2.840.10008.5.1.4.31")
GeneralPurposeWorklistManagementMeta: Final = UID("1.2.840.10008.5.1.4.32")
GeneralPurposeWorklistInformationModelFind: Final = UID("1.2.840.10008.5.1.4.32.1")
GeneralPurposeScheduledProcedureStep: Final = UID("1.2.840.10008.5.1.4.32.2")
GeneralPurposePerformedProcedureStep: Final = UID("1.2.840.10008.5.1.4.32.3")
InstanceAvailabilityNotification: Final = UID("1.2.840.10008.5.1.4.33")
RTBeamsDeliveryInstructionStorageTrial: Final = UID("1.2.840.10008.5.1.4.34.1")
RTConventionalMachineVerificationTrial: Final = UID("1.2.840.10008.5.1.4.34.2")
RTIonMachineVerificationTrial: Final = UID("1.2.840.10008.5.1.4.34.3")
UnifiedWorklistAndProcedureStepTrial: Final = UID("1.2.840.10008.5.1.4.34.4")
UnifiedProcedureStepPushTrial: Final = UID("1.2.840.10008.5.1.4.34.4.1")
UnifiedProcedureStepWatchTrial: Final = UID("1.2.840.10008.5.1.4.34.4.2")
UnifiedProcedureStepPullTrial: Final = UID("1.2.840.10008.5.1.4.34.4.3")
UnifiedProcedureStepEventTrial: Final = UID("1.2.840.10008.5.1.4.34.4.4")
UPSGlobalSubscriptionInstance: Final = UID("1.2.840.10008.5.1.4.34.5")
UPSFilteredGlobalSubscriptionInstance: Final = UID("1.2.840.10008.5.1.4.34.5.1")
UnifiedWorklistAndProcedureStep: Final = UID("1.2.840.10008.5.1.4.34.6")
UnifiedProcedureStepPush: Final = UID("1.2.840.10008.5.1.4.34.6.1")
UnifiedProcedureStepWatch: Final = UID("1.2.840.10008.5.1.4.34.6.2")
UnifiedProcedureStepPull: Final = UID("1.2.840.10008.5.1.4.34.6.3")
UnifiedProcedureStepEvent: Final = UID("1.2.840.10008.5.1.4.34.6.4")
UnifiedProcedureStepQuery: Final = UID("1.2.840.10008.5.1.4.34.6.5")
RTBeamsDeliveryInstructionStorage: Final = UID("1.2.840.10008.5.1.4.34.7")
RTConventionalMachineVerification: Final = UID("1.2.840.10008.5.1.4.34.8")
RTIonMachineVerification: Final = UID("1.2.840.10008.5.1.4.34.9")
RTBrachyApplicationSetupDeliveryInstructionStorage: Final = UID("1.2.840.10008.5.1.4.34.10")
GeneralRelevantPatientInformationQuery: Final = UID("1.2.840.10008.5.1.4.37.1")
BreastImagingRelevantPatientInformationQuery: Final = UID("1.2.840.10008.5.1.4.37.2")
CardiacRelevantPatientInformationQuery: Final = UID("1.2.840.10008.5.1.4.37.3")
HangingProtocolStorage: Final = UID("1.2.840.10008.5.1.4.38.1")
HangingProtocolInformationModelFind: Final = UID("1.2.840.10008.5.1.4.38.2")
HangingProtocolInformationModelMove: Final = UID("1.2.840.10008.5.1.4.38.3")
HangingProtocolInformationModelGet: Final = UID("1.2.840.10008.5.1.4.38.4")
ColorPaletteStorage: Final = UID("1.2.840.10008.5.1.4.39.1")
ColorPaletteQueryRetrieveInformationModelFind: Final = UID("1.2.840.10008.5.1.4.39.2")
ColorPaletteQueryRetrieveInformationModelMove: Final = UID("1.2.840.10008.5.1.4.39.3")
ColorPaletteQueryRetrieveInformationModelGet: Final = UID("1.2.840.10008.5.1.4.39.4")
ProductCharacteristicsQuery: Final = UID("1.2.840.10008.5.1.4.41")
SubstanceApprovalQuery: Final = UID("1.2.840.10008.5.1.4.42")
GenericImplantTemplateStorage: Final = UID("1.2.840.10008.5.1.4.43.1")
GenericImplantTemplateInformationModelFind: Final = UID("1.2.840.10008.5.1.4.43.2")
GenericImplantTemplateInformationModelMove: Final = UID("1.2.840.10008.5.1.4.43.3")
GenericImplantTemplateInformationModelGet: Final = UID("1.2.840.10008.5.1.4.43.4")
ImplantAssemblyTemplateStorage: Final = UID("1.2.840.10008.5.1.4.44.1")
ImplantAssemblyTemplateInformationModelFind: Final = UID("1.2.840.10008.5.1.4.44.2")
ImplantAssemblyTemplateInformationModelMove: Final = UID("1.2.840.10008.5.1.4.44.3")
ImplantAssemblyTemplateInformationModelGet: Final = UID("1.2.840.10008.5.1.4.44.4")
ImplantTemplateGroupStorage: Final = UID("1.2.840.10008.5.1.4.45.1")
ImplantTemplateGroupInformationModelFind: Final = UID("1.2.840.10008.5.1.4.45.2")
ImplantTemplateGroupInformationModelMove: Final = UID("1.2.840.10008.5.1.4.45.3")
ImplantTemplateGroupInformationModelGet: Final = UID("1.2.840.10008.5.1.4.45.4")
NativeDICOMModel: Final = UID("1.2.840.10008.7.1.1")
AbstractMultiDimensionalImageModel: Final = UID("1.2.840.10008.7.1.2")
DICOMContentMappingResource: Final = UID("1.2.840.10008.8.1.1")
VideoEndoscopicImageRealTimeCommunication: Final = UID("1.2.840.10008.10.1")
VideoPhotographicImageRealTimeCommunication: Final = UID("1.2.840.10008.10.2")
AudioWaveformRealTimeCommunication: Final = UID("1.2.840.10008.10.3")
RenditionSelectionDocumentRealTimeCommunication: Final = UID("1.2.840.10008.10.4")
dicomDeviceName: Final = UID("1.2.840.10008.15.0.3.1")
dicomDescription: Final = UID("1.2.840.10008.15.0.3.2")
dicomManufacturer: Final = UID("1.2.840.10008.15.0.3.3")
dicomManufacturerModelName: Final = UID("1.2.840.10008.15.0.3.4")
dicomSoftwareVersion: Final = UID("1.2.840.10008.15.0.3.5")
dicomVendorData: Final = UID("1.2.840.10008.15.0.3.6")
dicomAETitle: Final = UID("1.2.840.10008.15.0.3.7")
dicomNetworkConnectionReference: Final = UID("1.2.840.10008.15.0.3.8")
dicomApplicationCluster: Final = UID("1.2.840.10008.15.0.3.9")
dicomAssociationInitiator: Final = UID("1.2.840.10008.15.0.3.10")
dicomAssociationAcceptor: Final = UID("1.2.840.10008.15.0.3.11")
dicomHostname: Final = UID("1.2.840.10008.15.0.3.12")
dicomPort: Final = UID("1.2.840.10008.15.0.3.13")
dicomSOPClass: Final = UID("1.2.840.10008.15.0.3.14")
dicomTransferRole: Final = UID("1.2.840.10008.15.0.3.15")
dicomTransferSyntax: Final = UID("1.2.840.10008.15.0.3.16")
dicomPrimaryDeviceType: Final = UID("1.2.840.10008.15.0.3.17")
dicomRelatedDeviceReference: Final = UID("1.2.840.10008.15.0.3.18")
dicomPreferredCalledAETitle: Final = UID("1.2.840.10008.15.0.3.19")
dicomTLSCyphersuite: Final = UID("1.2.840.10008.15.0.3.20")
dicomAuthorizedNodeCertificateReference: Final = UID("1.2.840.10008.15.0.3.21")
dicomThisNodeCertificateReference: Final = UID("1.2.840.10008.15.0.3.22")
dicomInstalled: Final = UID("1.2.840.10008.15.0.3.23")
dicomStationName: Final = UID("1.2.840.10008.15.0.3.24")
dicomDeviceSerialNumber: Final = UID("1.2.840.10008.15.0.3.25")
dicomInstitutionName: Final = UID("1.2.840.10008.15.0.3.26")
dicomInstitutionAddress: Final = UID("1.2.840.10008.15.0.3.27")
dicomInstitutionDepartmentName: Final = UID("1.2.840.10008.15.0.3.28")
dicomIssuerOfPatientID: Final = UID("1.2.840.10008.15.0.3.29")
dicomPreferredCallingAETitle: Final = UID("1.2.840.10008.15.0.3.30")
dicomSupportedCharacterSet: Final = UID("1.2.840.10008.15.0.3.31")
dicomConfigurationRoot: Final = UID("1.2.840.10008.15.0.4.1")
dicomDevicesRoot: Final = UID("1.2.840.10008.15.0.4.2")
dicomUniqueAETitlesRegistryRoot: Final = UID("1.2.840.10008.15.0.4.3")
dicomDevice: Final = UID("1.2.840.10008.15.0.4.4")
dicomNetworkAE: Final = UID("1.2.840.10008.15.0.4.5")
dicomNetworkConnection: Final = UID("1.2.840.10008.15.0.4.6")
dicomUniqueAETitle: Final = UID("1.2.840.10008.15.0.4.7")
dicomTransferCapability: Final = UID("1.2.840.10008.15.0.4.8")
UTC: Final = UID("1.2.840.10008.15.1.1")
GEPrivateImplicitBigEndianPixel: Final = UID("1.2.840.113619.5.2")

STORAGE_SOP_CLASSES: Final[tuple[UID, ...]] = (
    StoredPrintStorage,
    HardcopyGrayscaleImageStorage,
    HardcopyColorImageStorage,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
    DigitalIntraOralXRayImageStorageForPresentation,
    DigitalIntraOralXRayImageStorageForProcessing,
    CTImageStorage,
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    UltrasoundMultiFrameImageStorageRetired,
    UltrasoundMultiFrameImageStorage,
    MRImageStorage,
    EnhancedMRImageStorage,
    MRSpectroscopyStorage,
    EnhancedMRColorImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    NuclearMedicineImageStorageRetired,
    UltrasoundImageStorageRetired,
    UltrasoundImageStorage,
    EnhancedUSVolumeStorage,
    PhotoacousticImageStorage,
    SecondaryCaptureImageStorage,
    MultiFrameSingleBitSecondaryCaptureImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    StandaloneOverlayStorage,
    StandaloneCurveStorage,
    WaveformStorageTrial,
    TwelveLeadECGWaveformStorage,
    GeneralECGWaveformStorage,
    AmbulatoryECGWaveformStorage,
    General32bitECGWaveformStorage,
    HemodynamicWaveformStorage,
    CardiacElectrophysiologyWaveformStorage,
    BasicVoiceAudioWaveformStorage,
    GeneralAudioWaveformStorage,
    ArterialPulseWaveformStorage,
    RespiratoryWaveformStorage,
    MultichannelRespiratoryWaveformStorage,
    RoutineScalpElectroencephalogramWaveformStorage,
    ElectromyogramWaveformStorage,
    ElectrooculogramWaveformStorage,
    SleepElectroencephalogramWaveformStorage,
    BodyPositionWaveformStorage,
    WaveformPresentationStateStorage,
    WaveformAcquisitionPresentationStateStorage,
    StandaloneModalityLUTStorage,
    StandaloneVOILUTStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    ColorSoftcopyPresentationStateStorage,
    PseudoColorSoftcopyPresentationStateStorage,
    BlendingSoftcopyPresentationStateStorage,
    XAXRFGrayscaleSoftcopyPresentationStateStorage,
    GrayscalePlanarMPRVolumetricPresentationStateStorage,
    CompositingPlanarMPRVolumetricPresentationStateStorage,
    AdvancedBlendingPresentationStateStorage,
    VolumeRenderingVolumetricPresentationStateStorage,
    SegmentedVolumeRenderingVolumetricPresentationStateStorage,
    MultipleVolumeRenderingVolumetricPresentationStateStorage,
    VariableModalityLUTSoftcopyPresentationStateStorage,
    XRayAngiographicImageStorage,
    EnhancedXAImageStorage,
    XRayRadiofluoroscopicImageStorage,
    EnhancedXRFImageStorage,
    XRayAngiographicBiPlaneImageStorage,
    XRay3DAngiographicImageStorage,
    XRay3DCraniofacialImageStorage,
    BreastTomosynthesisImageStorage,
    BreastProjectionXRayImageStorageForPresentation,
    BreastProjectionXRayImageStorageForProcessing,
    IntravascularOpticalCoherenceTomographyImageStorageForPresentation,
    IntravascularOpticalCoherenceTomographyImageStorageForProcessing,
    NuclearMedicineImageStorage,
    ParametricMapStorage,
    RawDataStorage,
    SpatialRegistrationStorage,
    SpatialFiducialsStorage,
    DeformableSpatialRegistrationStorage,
    SegmentationStorage,
    SurfaceSegmentationStorage,
    TractographyResultsStorage,
    LabelMapSegmentationStorage,
    HeightMapSegmentationStorage,
    RealWorldValueMappingStorage,
    SurfaceScanMeshStorage,
    SurfaceScanPointCloudStorage,
    VLImageStorageTrial,
    VLEndoscopicImageStorage,
    VideoEndoscopicImageStorage,
    VLMicroscopicImageStorage,
    VideoMicroscopicImageStorage,
    VLSlideCoordinatesMicroscopicImageStorage,
    VLPhotographicImageStorage,
    VideoPhotographicImageStorage,
    OphthalmicPhotography8BitImageStorage,
    OphthalmicPhotography16BitImageStorage,
    StereometricRelationshipStorage,
    OphthalmicTomographyImageStorage,
    WideFieldOphthalmicPhotographyStereographicProjectionImageStorage,
    WideFieldOphthalmicPhotography3DCoordinatesImageStorage,
    OphthalmicOpticalCoherenceTomographyEnFaceImageStorage,
    OphthalmicOpticalCoherenceTomographyBscanVolumeAnalysisStorage,
    VLWholeSlideMicroscopyImageStorage,
    DermoscopicPhotographyImageStorage,
    ConfocalMicroscopyImageStorage,
    ConfocalMicroscopyTiledPyramidalImageStorage,
    VLMultiFrameImageStorageTrial,
    LensometryMeasurementsStorage,
    AutorefractionMeasurementsStorage,
    KeratometryMeasurementsStorage,
    SubjectiveRefractionMeasurementsStorage,
    VisualAcuityMeasurementsStorage,
    SpectaclePrescriptionReportStorage,
    OphthalmicAxialMeasurementsStorage,
    IntraocularLensCalculationsStorage,
    MacularGridThicknessAndVolumeReportStorage,
    OphthalmicVisualFieldStaticPerimetryMeasurementsStorage,
    OphthalmicThicknessMapStorage,
    CornealTopographyMapStorage,
    TextSRStorageTrial,
    AudioSRStorageTrial,
    DetailSRStorageTrial,
    ComprehensiveSRStorageTrial,
    BasicTextSRStorage,
    EnhancedSRStorage,
    ComprehensiveSRStorage,
    Comprehensive3DSRStorage,
    ExtensibleSRStorage,
    ProcedureLogStorage,
    MammographyCADSRStorage,
    KeyObjectSelectionDocumentStorage,
    ChestCADSRStorage,
    XRayRadiationDoseSRStorage,
    RadiopharmaceuticalRadiationDoseSRStorage,
    ColonCADSRStorage,
    ImplantationPlanSRStorage,
    AcquisitionContextSRStorage,
    SimplifiedAdultEchoSRStorage,
    PatientRadiationDoseSRStorage,
    PlannedImagingAgentAdministrationSRStorage,
    PerformedImagingAgentAdministrationSRStorage,
    EnhancedXRayRadiationDoseSRStorage,
    WaveformAnnotationSRStorage,
    ContentAssessmentResultsStorage,
    MicroscopyBulkSimpleAnnotationsStorage,
    EncapsulatedPDFStorage,
    EncapsulatedCDAStorage,
    EncapsulatedSTLStorage,
    EncapsulatedOBJStorage,
    EncapsulatedMTLStorage,
    PositronEmissionTomographyImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
    StandalonePETCurveStorage,
    EnhancedPETImageStorage,
    BasicStructuredDisplayStorage,
    CTPerformedProcedureProtocolStorage,
    XAPerformedProcedureProtocolStorage,
    RTImageStorage,
    RTDoseStorage,
    RTStructureSetStorage,
    RTBeamsTreatmentRecordStorage,
    RTPlanStorage,
    RTBrachyTreatmentRecordStorage,
    RTTreatmentSummaryRecordStorage,
    RTIonPlanStorage,
    RTIonBeamsTreatmentRecordStorage,
    RTPhysicianIntentStorage,
    RTSegmentAnnotationStorage,
    RTRadiationSetStorage,
    CArmPhotonElectronRadiationStorage,
    TomotherapeuticRadiationStorage,
    RoboticArmRadiationStorage,
    RTRadiationRecordSetStorage,
    RTRadiationSalvageRecordStorage,
    TomotherapeuticRadiationRecordStorage,
    CArmPhotonElectronRadiationRecordStorage,
    RoboticRadiationRecordStorage,
    RTRadiationSetDeliveryInstructionStorage,
    RTTreatmentPreparationStorage,
    EnhancedRTImageStorage,
    EnhancedContinuousRTImageStorage,
    RTPatientPositionAcquisitionInstructionStorage,
    DICOSCTImageStorage,
    DICOSDigitalXRayImageStorageForPresentation,
    DICOSDigitalXRayImageStorageForProcessing,
    DICOSThreatDetectionReportStorage,
    DICOS2DAITStorage,
    DICOS3DAITStorage,
    DICOSQuadrupoleResonanceStorage,
    EddyCurrentImageStorage,
    EddyCurrentMultiFrameImageStorage,
    RTBeamsDeliveryInstructionStorageTrial,
    RTBeamsDeliveryInstructionStorage,
    RTBrachyApplicationSetupDeliveryInstructionStorage,
)

NON_PATIENT_STORAGE_SOP_CLASSES: Final[tuple[UID, ...]] = (
    HangingProtocolStorage,
    ColorPaletteStorage,
    GenericImplantTemplateStorage,
    ImplantAssemblyTemplateStorage,
    ImplantTemplateGroupStorage,
    CTDefinedProcedureProtocolStorage,
    ProtocolApprovalStorage,
    XADefinedProcedureProtocolStorage,
    InventoryStorage,
)

QUERY_RETRIEVE_SOP_CLASSES: Final[tuple[UID, ...]] = (
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelMove,
    PatientRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelMove,
    StudyRootQueryRetrieveInformationModelGet,
    PatientStudyOnlyQueryRetrieveInformationModelFind,
    PatientStudyOnlyQueryRetrieveInformationModelMove,
    PatientStudyOnlyQueryRetrieveInformationModelGet,
    CompositeInstanceRootRetrieveMove,
    CompositeInstanceRootRetrieveGet,
    CompositeInstanceRetrieveWithoutBulkDataGet,
)

TRANSFER_SYNTAXES: Final[tuple[UID, ...]] = (
    PapyrusImplicit,
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    EncapsulatedUncompressedExplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGExtended35,
    JPEGSpectralSelectionNonHierarchical68,
    JPEGSpectralSelectionNonHierarchical79,
    JPEGFullProgressionNonHierarchical1012,
    JPEGFullProgressionNonHierarchical1113,
    JPEGLossless,
    JPEGLosslessNonHierarchical15,
    JPEGExtendedHierarchical1618,
    JPEGExtendedHierarchical1719,
    JPEGSpectralSelectionHierarchical2022,
    JPEGSpectralSelectionHierarchical2123,
    JPEGFullProgressionHierarchical2426,
    JPEGFullProgressionHierarchical2527,
    JPEGLosslessHierarchical28,
    JPEGLosslessHierarchical29,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    JPEG2000Lossless,
    JPEG2000,
    JPEG2000MCLossless,
    JPEG2000MC,
    JPIPReferenced,
    JPIPReferencedDeflate,
    MPEG2MPML,
    MPEG2MPMLF,
    MPEG2MPHL,
    MPEG2MPHLF,
    MPEG4HP41,
    MPEG4HP41F,
    MPEG4HP41BD,
    MPEG4HP41BDF,
    MPEG4HP422D,
    MPEG4HP422DF,
    MPEG4HP423D,
    MPEG4HP423DF,
    MPEG4HP42STEREO,
    MPEG4HP42STEREOF,
    HEVCMP51,
    HEVCM10P51,
    JPEGXLLossless,
    JPEGXLJPEGRecompression,
    JPEGXL,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    HTJ2K,
    JPIPHTJ2KReferenced,
    JPIPHTJ2KReferencedDeflate,
    RLELossless,
    RFC2557MIMEEncapsulation,
    XMLEncoding,
    SMPTEST211020UncompressedProgressiveActiveVideo,
    SMPTEST211020UncompressedInterlacedActiveVideo,
    SMPTEST211030PCMDigitalAudio,
    DeflatedImageFrameCompression,
    Papyrus3ImplicitVRLittleEndian,
    GEPrivateImplicitBigEndianPixel,
)
